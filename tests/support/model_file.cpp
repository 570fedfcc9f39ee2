#include "tests/support/model_file.h"

#include <cstdlib>

#include "io/atomic_file.h"
#include "tests/support/random_model.h"

namespace bitmar::testing {
namespace {

constexpr std::uint64_t kSeed = 7;

Result<void> write(const std::string& path, const std::vector<std::byte>& bytes) {
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(bytes));
  return file.commit();
}

}  // namespace

void write_small_model(const std::string& path, SmallModel kind) {
  ModelConfig config = small_config();
  if (kind == SmallModel::kTower) config.tower = small_tower(config.vision_width);
  config.memory = kind != SmallModel::kNoMemory;
  if (const auto written = write(path, random_model_file(config, kSeed)); !written) {
    fmt::print(stderr, "write_small_model: {}\n", written.error().message);
    std::abort();
  }
}

}  // namespace bitmar::testing
