// The whole model without tokenizer and image files, for any target: greedy text after a fixed prompt, with
// pseudo-random image features and the memory as shipped, by every instruction set that the processor has.
//
//   greedy MODEL.gguf [THREADS...]
//
// Prints a line for each instruction set (or only the one that BITMAR_ISA names) and number of threads:
//
//   ISA THREADS HASH ID ID ...      HASH: of the bits of the last logits (FNV-1a)
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "model/forward.h"
#include "model/schema/config_gguf.h"

namespace bitmar {
namespace {

constexpr std::size_t kGenerated = 64;
constexpr std::size_t kPatches = 256;
constexpr std::uint64_t kFeatureSeed = 20251;
constexpr std::uint32_t kPrompt[] = {50256, 32, 4286, 286, 257, 2576, 5055, 287};

// A numbered seed's features [kPatches, columns] in [-2, 2): uniform, since a normal deviate depends on the C library.
std::vector<float> features_of_width(std::size_t columns) {
  Random random(kFeatureSeed);
  std::vector<float> features(kPatches * columns);
  for (float& value : features) value = static_cast<float>(4.0 * random.uniform() - 2.0);
  return features;
}

std::uint64_t hash_of_bits(std::span<const float> values) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const float value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (unsigned shift = 0; shift < 32; shift += 8) hash = (hash ^ (bits >> shift & 0xFFu)) * 0x100000001B3u;
  }
  return hash;
}

void print_greedy(const BitmarModel& model, const EpisodicMemory* memory, std::size_t threads) {
  ThreadPool pool(threads);
  const std::vector<float> features = features_of_width(model.config.vision_width);
  const FusionContext image(model, {features, kPatches, model.config.vision_width}, &pool);
  constexpr std::size_t kRows = std::size(kPrompt);
  SequenceState sequence(model.config, *model.kernels, CacheShape(model.config, kRows));
  Workspace workspace(model.config, kRows, pool.size());
  workspace.reserve_image(image.tokens());
  std::vector<float> logits(model.config.vocabulary);

  std::string ids;
  std::vector<TokenRow> rows;
  for (const std::uint32_t token : kPrompt) rows.push_back({token, &sequence, &image, memory});
  for (std::size_t step = 0; step < kGenerated; ++step) {
    forward(model, rows, workspace, &pool);
    compute_logits(model, workspace, rows.size() - 1, 1, {logits, 1, logits.size()}, &pool);
    const auto best = std::ranges::max_element(logits) - logits.begin();
    rows.assign(1, {static_cast<std::uint32_t>(best), &sequence, &image, memory});
    ids += fmt::format(" {}", best);
  }
  fmt::print("{} {} {:016x}{}\n", model.kernels->name, threads, hash_of_bits(logits), ids);
}

Result<void> run(const std::string& path, std::span<const std::size_t> thread_counts) {
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  BITMAR_TRY(const ModelConfig config, read_config(file));
  BITMAR_TRY(const TensorDecoder tensors, TensorDecoder::open(file));
  std::vector<const Kernels*> tables(available_kernels().begin(), available_kernels().end());
  BITMAR_TRY(const Kernels* chosen, default_kernels());
  if (std::getenv("BITMAR_ISA") != nullptr) tables = {chosen};
  for (const Kernels* table : tables) {
    BITMAR_TRY_VOID(self_test(*table));
    BITMAR_TRY(const BitmarModel model, BitmarModel::load(config, tensors, *table));
    std::optional<EpisodicMemory> memory;
    if (config.memory) {
      BITMAR_TRY(MemoryState state, load_memory_state(config, tensors));
      memory.emplace(model, std::move(state));
    }
    for (const std::size_t threads : thread_counts) print_greedy(model, memory ? &*memory : nullptr, threads);
  }
  return {};
}

}  // namespace
}  // namespace bitmar

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: greedy MODEL.gguf [THREADS...]\n");
    return 2;
  }
  std::vector<std::size_t> thread_counts;
  for (int i = 2; i < argc; ++i) thread_counts.push_back(std::strtoul(argv[i], nullptr, 10));
  if (thread_counts.empty()) thread_counts = {1};
  if (const auto done = bitmar::run(argv[1], thread_counts); !done) {
    fmt::print(stderr, "greedy: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
