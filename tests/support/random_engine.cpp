#include <cstdlib>

#include "runtime/engine.h"
#include "tests/support/random_model.h"

namespace bitmar::testing {

std::shared_ptr<const Engine> random_engine(const ModelConfig& config, std::uint64_t seed, OutputHead head) {
  auto engine = Engine::parse(random_model_file(config, seed, head), "random.gguf");
  if (!engine) {
    fmt::print(stderr, "random_engine: {}\n", engine.error().message);
    std::abort();
  }
  return *engine;
}

}  // namespace bitmar::testing
