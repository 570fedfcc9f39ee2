#include "model/schema/config_gguf.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bitmar {
namespace {

constexpr std::string_view kTowerPrefix = "bitmar.vision_tower.";

// Enumerations are stored as words.
template <typename Enum>
using Words = std::span<const std::pair<Enum, std::string_view>>;

constexpr std::pair<QueryKind, std::string_view> kQueryWords[] = {{QueryKind::kMean, "mean"},
                                                                  {QueryKind::kExponential, "exponential"}};
constexpr std::pair<InjectionKind, std::string_view> kInjectionWords[] = {{InjectionKind::kAdd, "add"},
                                                                          {InjectionKind::kConcatenate, "concatenate"}};
constexpr std::pair<TowerMlp, std::string_view> kMlpWords[] = {{TowerMlp::kGelu, "gelu"},
                                                               {TowerMlp::kSwiGlu, "swiglu"}};
constexpr std::pair<TowerPrecision, std::string_view> kPrecisionWords[] = {
    {TowerPrecision::kFloat32, "float32"}, {TowerPrecision::kInt8, "int8"}, {TowerPrecision::kTernary, "ternary"}};
constexpr std::pair<ImageFit, std::string_view> kFitWords[] = {{ImageFit::kSquash, "squash"},
                                                               {ImageFit::kCenterCrop, "center_crop"}};

Words<QueryKind> words(QueryKind) {
  return kQueryWords;
}
Words<InjectionKind> words(InjectionKind) {
  return kInjectionWords;
}
Words<TowerMlp> words(TowerMlp) {
  return kMlpWords;
}
Words<TowerPrecision> words(TowerPrecision) {
  return kPrecisionWords;
}
Words<ImageFit> words(ImageFit) {
  return kFitWords;
}

// The one list of keys and fields, for writing (const config) and reading.
template <typename Config, typename Visitor>
void visit_model(Config& config, Visitor& visit) {
  visit("bitmar.vocab_size", config.vocabulary);
  visit("bitmar.context_length", config.training_length);
  visit("bitmar.embedding_length", config.width);
  visit("bitmar.feed_forward_length", config.ffn_hidden);
  visit("bitmar.encoder.block_count", config.encoder_layers);
  visit("bitmar.decoder.block_count", config.decoder_layers);
  visit("bitmar.decoder.injection", config.injection);
  visit("bitmar.attention.head_count", config.heads);
  visit("bitmar.attention.sink_tokens", config.sink_tokens);
  visit("bitmar.attention.window_tokens", config.window_tokens);
  visit("bitmar.attention.layer_norm_epsilon", config.norm_epsilon);
  visit("bitmar.rope.freq_base", config.rope_base);
  visit("bitmar.vision.embedding_length", config.vision_width);
  visit("bitmar.vision.compression_length", config.compression_hidden);
  visit("bitmar.memory.enabled", config.memory);
  visit("bitmar.memory.slot_count", config.memory_slots);
  visit("bitmar.memory.write_rate", config.memory_write_rate);
  visit("bitmar.memory.write_slots", config.memory_write_slots);
  visit("bitmar.memory.usage_decay", config.memory_usage_decay);
  visit("bitmar.memory.usage_floor", config.memory_usage_floor);
  visit("bitmar.memory.usage_penalty", config.memory_usage_penalty);
  visit("bitmar.memory.query", config.query);
}

template <typename Config, typename Visitor>
void visit_tower(Config& config, Visitor& visit) {
  visit("bitmar.vision_tower.name", config.name);
  visit("bitmar.vision_tower.image_size", config.image_size);
  visit("bitmar.vision_tower.patch_size", config.patch_size);
  visit("bitmar.vision_tower.embedding_length", config.width);
  visit("bitmar.vision_tower.block_count", config.depth);
  visit("bitmar.vision_tower.feed_forward_length", config.mlp_hidden);
  visit("bitmar.vision_tower.feed_forward", config.mlp);
  visit("bitmar.vision_tower.precision", config.precision);
  visit("bitmar.vision_tower.layer_scale", config.layer_scale);
  visit("bitmar.vision_tower.register_tokens", config.register_tokens);
  visit.optional("bitmar.vision_tower.class_feature", config.class_feature, false);
  visit("bitmar.vision_tower.position_grid", config.position_grid);
  visit("bitmar.vision_tower.position_antialias", config.position_antialias);
  visit("bitmar.vision_tower.attention.head_count", config.heads);
  visit("bitmar.vision_tower.attention.layer_norm_epsilon", config.norm_epsilon);
  visit("bitmar.vision_tower.image_mean", config.mean);
  visit("bitmar.vision_tower.image_std", config.deviation);
  visit("bitmar.vision_tower.image_fit", config.fit);
  visit("bitmar.vision_tower.resize_shorter", config.resize_shorter);
}

class Write {
 public:
  explicit Write(GgufWriter& writer) : writer_(writer) {}

  template <typename T>
  void operator()(std::string_view key, const T& field) {
    if constexpr (std::is_enum_v<T>) {
      const auto word = std::ranges::find(words(field), field, [](const auto& entry) { return entry.first; });
      writer_.set(key, std::string(word->second));
    } else {
      writer_.set(key, field);
    }
  }
  // A field that older files lack is written where it differs from what they mean.
  template <typename T>
  void optional(std::string_view key, const T& field, const T& absent) {
    if (field != absent) (*this)(key, field);
  }
  void operator()(std::string_view key, const std::array<float, 3>& field) {
    writer_.set(key, std::vector<float>(field.begin(), field.end()));
  }

 private:
  GgufWriter& writer_;
};

// Keeps the first error; later fields are left as they are.
class Read {
 public:
  explicit Read(const GgufFile& file) : file_(file) {}
  [[nodiscard]] const Result<void>& status() const { return status_; }

  template <typename T>
  void operator()(std::string_view key, T& field) {
    if (!status_) return;
    if (auto read = get(key, field); !read) status_ = std::move(read);
  }
  template <typename T>
  void optional(std::string_view key, T& field, const T& absent) {
    field = absent;
    if (file_.contains(key)) (*this)(key, field);
  }

 private:
  template <typename T>
  Result<void> get(std::string_view key, T& field) const {
    if constexpr (std::is_enum_v<T>) {
      BITMAR_TRY(const auto text, file_.value<std::string>(key));
      std::string expected;
      for (const auto& [value, word] : words(field)) {
        if (word == text) {
          field = value;
          return {};
        }
        expected += fmt::format("{}'{}'", expected.empty() ? "" : " or ", word);
      }
      return fail(ErrorCode::kInvalidFile, "{}: key '{}' is '{}'; expected {}", file_.name(), key, text, expected);
    } else {
      BITMAR_TRY(field, file_.value<T>(key));
      return {};
    }
  }
  Result<void> get(std::string_view key, std::array<float, 3>& field) const {
    BITMAR_TRY(const auto values, file_.value<std::vector<float>>(key));
    if (values.size() != field.size()) {
      return fail(ErrorCode::kInvalidFile, "{}: key '{}' has {} elements; expected 3", file_.name(), key,
                  values.size());
    }
    std::ranges::copy(values, field.begin());
    return {};
  }

  const GgufFile& file_;
  Result<void> status_;
};

Result<void> validate(const auto& config, const GgufFile& file) {
  const Result<void> valid = config.validate();
  if (!valid) return fail(valid.error().code, "{}: {}", file.name(), valid.error().message);
  return {};
}

Result<void> check_architecture(const GgufFile& file, std::initializer_list<std::string_view> accepted) {
  BITMAR_TRY(const auto architecture, file.value<std::string>("general.architecture"));
  if (std::ranges::find(accepted, architecture) != accepted.end()) return {};
  return fail(ErrorCode::kUnsupported, "{}: general.architecture is '{}'; expected '{}'", file.name(), architecture,
              fmt::join(accepted, "' or '"));
}

// A block of any stack has more than ten tensors. Refusing blocks that the file has no tensors for keeps the tensor
// table, and all that is sized by it, in proportion to the file.
constexpr std::uint64_t kTensorsPerBlock = 10;

Result<void> check_blocks(const GgufFile& file, std::uint64_t blocks) {
  if (blocks * kTensorsPerBlock <= file.tensors().size()) return {};
  return fail(ErrorCode::kInvalidFile, "{}: the block counts add up to {}, but the file has only {} tensors",
              file.name(), blocks, file.tensors().size());
}

bool has_tower(const GgufFile& file) {
  const auto first = file.metadata().lower_bound(kTowerPrefix);
  return first != file.metadata().end() && first->first.starts_with(kTowerPrefix);
}

}  // namespace

void write_config(const ModelConfig& config, GgufWriter& writer) {
  Write write(writer);
  visit_model(config, write);
  if (config.tower) write_tower_config(*config.tower, writer);
}

void write_tower_config(const VisionTowerConfig& config, GgufWriter& writer) {
  Write write(writer);
  visit_tower(config, write);
}

Result<ModelConfig> read_config(const GgufFile& file) {
  BITMAR_TRY_VOID(check_architecture(file, {kModelArchitecture}));
  ModelConfig config;
  Read read(file);
  visit_model(config, read);
  if (has_tower(file)) visit_tower(config.tower.emplace(), read);
  BITMAR_TRY_VOID(read.status());
  BITMAR_TRY_VOID(validate(config, file));
  const std::uint64_t tower_blocks = config.tower ? config.tower->depth : 0;
  BITMAR_TRY_VOID(check_blocks(file, tower_blocks + config.encoder_layers + config.decoder_layers));
  return config;
}

Result<VisionTowerConfig> read_tower_config(const GgufFile& file) {
  BITMAR_TRY_VOID(check_architecture(file, {kTowerArchitecture, kModelArchitecture}));
  if (!has_tower(file)) return fail(ErrorCode::kNotFound, "{}: the file has no vision tower", file.name());
  VisionTowerConfig config;
  Read read(file);
  visit_tower(config, read);
  BITMAR_TRY_VOID(read.status());
  BITMAR_TRY_VOID(validate(config, file));
  BITMAR_TRY_VOID(check_blocks(file, config.depth));
  return config;
}

}  // namespace bitmar
