#include "runtime/engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/content_hash.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_table.h"
#include "runtime/tower_file.h"

namespace bitmar {
namespace {

std::size_t bytes(const MemoryState& state) {
  return (state.slots.size() + state.usage.size()) * sizeof(float);
}

Result<const Kernels*> choose_kernels(const EngineOptions& options) {
  return options.isa.empty() ? default_kernels() : select_kernels(options.isa);
}

}  // namespace

Result<Tokenizer> read_tokenizer(const GgufFile& file) {
  constexpr std::string_view kMerges = "tokenizer.merges";
  BITMAR_TRY(const GgufTensor* merges, file.tensor(kMerges));
  if (merges->type != GgufType::kI16 || merges->shape.size() != 2 || merges->shape[1] != 2) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' must be I16 [merges, 2]", file.name(), kMerges);
  }
  std::vector<MergePair> pairs(merges->shape[0]);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    std::memcpy(&pairs[i].left, merges->bytes.data() + 4 * i, 2);
    std::memcpy(&pairs[i].right, merges->bytes.data() + 4 * i + 2, 2);
  }
  auto tokenizer = Tokenizer::from_merges(std::move(pairs));
  if (!tokenizer) {
    return fail(tokenizer.error().code, "{}: tensor '{}': {}", file.name(), kMerges, tokenizer.error().message);
  }
  return tokenizer;
}

Result<std::shared_ptr<const Engine>> Engine::open(const std::string& path, const EngineOptions& options) {
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  return load(file, {}, options);
}

Result<std::shared_ptr<const Engine>> Engine::parse(std::vector<std::byte> bytes, const std::string& name,
                                                    const EngineOptions& options) {
  BITMAR_TRY(const GgufFile file, GgufFile::parse(bytes, name));
  return load(file, std::move(bytes), options);
}

Result<std::shared_ptr<const Engine>> Engine::load(const GgufFile& file, std::vector<std::byte> bytes,
                                                   const EngineOptions& options) {
  BITMAR_TRY(const Kernels* kernels, choose_kernels(options));
  BITMAR_TRY(ModelConfig config, read_config(file));
  if (options.window_tokens > 0) {
    config.window_tokens = options.window_tokens;
    config.training_length = std::min(config.training_length, config.cache_tokens());
    BITMAR_TRY_VOID(config.validate());
  }
  BITMAR_TRY(const TensorDecoder tensors, TensorDecoder::open(file));
  BITMAR_TRY_VOID(tensors.check_complete(tensor_table(config)));
  BITMAR_TRY(Tokenizer tokenizer, read_tokenizer(file));
  if (tokenizer.vocabulary_size() != config.vocabulary) {
    return fail(ErrorCode::kInvalidFile, "{}: the tokenizer has {} tokens, the model {}", file.name(),
                tokenizer.vocabulary_size(), config.vocabulary);
  }
  BITMAR_TRY(BitmarModel model, BitmarModel::load(config, tensors, *kernels));

  // What was read so far is packed or copied, but for the embedding.
  file.release(file.bytes());

  const std::shared_ptr<Engine> engine(new Engine(std::move(bytes), file, std::move(model), std::move(tokenizer)));
  if (config.memory) {
    BITMAR_TRY(MemoryState state, load_memory_state(config, tensors));
    engine->memory_.emplace(engine->model_, std::move(state));
  }
  if (!options.tower_path.empty()) {
    BITMAR_TRY(VisionTower tower, load_tower_file(options.tower_path, *kernels));
    if (tower.config().feature_width() != config.vision_width) {
      return fail(ErrorCode::kInvalidArgument, "{}: its features are {} wide; {} expects {}", options.tower_path,
                  tower.config().feature_width(), file.name(), config.vision_width);
    }
    engine->tower_.emplace(std::move(tower));
  } else if (config.tower) {
    BITMAR_TRY(VisionTower tower, VisionTower::load(*config.tower, tensors, *kernels));
    engine->tower_.emplace(std::move(tower));
  }
  file.release(file.bytes());
  return engine;
}

const std::string& Engine::content_hash() const {
  std::call_once(hashed_, [this] {
    content_hash_ = bitmar::content_hash(file_.bytes());
    file_.release(file_.bytes());
  });
  return content_hash_;
}

std::size_t Engine::memory_bytes() const {
  std::size_t sum = model_.memory_bytes();
  if (tower_) sum += tower_->memory_bytes();
  if (memory_) sum += bytes(memory_->state());
  return sum;
}

}  // namespace bitmar
