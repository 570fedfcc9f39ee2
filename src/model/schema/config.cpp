#include "model/schema/config.h"

#include <cmath>
#include <string_view>

namespace bitmar {
namespace {

constexpr std::uint32_t kMaximumWidth = 1u << 14;
constexpr std::uint32_t kMaximumLayers = 256;
constexpr std::uint32_t kMaximumTokens = 1u << 20;
constexpr std::uint32_t kMaximumImageSide = 4096;

Validity check_range(std::string_view key, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value < low || value > high) {
    return fail_key(ErrorCode::kOutOfRange, key, "{} is {}; expected {} to {}", key, value, low, high);
  }
  return {};
}

Validity check_fraction(std::string_view key, float value, float low, float high) {
  if (!(value >= low && value <= high)) {
    return fail_key(ErrorCode::kOutOfRange, key, "{} is {}; expected {} to {}", key, value, low, high);
  }
  return {};
}

Validity check_divides(std::string_view whole_key, std::uint32_t whole, std::string_view part_key, std::uint32_t part) {
  if (part == 0 || whole % part != 0) {
    return fail_key(ErrorCode::kInvalidArgument, whole_key, "{} ({}) must be a multiple of {} ({})", whole_key, whole,
                    part_key, part);
  }
  return {};
}

VisionTowerConfig dinov2(const std::string& name, std::uint32_t width, std::uint32_t depth, std::uint32_t heads,
                         bool registers) {
  VisionTowerConfig tower;
  tower.name = name;
  tower.patch_size = 14;
  tower.width = width;
  tower.depth = depth;
  tower.heads = heads;
  tower.mlp_hidden = 4 * width;
  tower.layer_scale = true;
  tower.register_tokens = registers ? 4 : 0;
  tower.position_grid = 37;
  tower.position_antialias = registers;
  tower.mean = {0.485f, 0.456f, 0.406f};
  tower.deviation = {0.229f, 0.224f, 0.225f};
  tower.fit = ImageFit::kCenterCrop;
  tower.resize_shorter = 256;
  return tower;
}

}  // namespace

Validity VisionTowerConfig::validate() const {
  BITMAR_TRY_VOID(check_range("vision_tower.image_size", image_size, 1, kMaximumImageSide));
  BITMAR_TRY_VOID(check_range("vision_tower.patch_size", patch_size, 1, image_size));
  BITMAR_TRY_VOID(check_divides("vision_tower.image_size", image_size, "vision_tower.patch_size", patch_size));
  BITMAR_TRY_VOID(check_range("vision_tower grid (image_size / patch_size)", grid(), 1, 256));
  BITMAR_TRY_VOID(check_range("vision_tower.width", width, 1, kMaximumWidth));
  BITMAR_TRY_VOID(check_range("vision_tower.depth", depth, 1, kMaximumLayers));
  BITMAR_TRY_VOID(check_range("vision_tower.heads", heads, 1, width));
  BITMAR_TRY_VOID(check_divides("vision_tower.width", width, "vision_tower.heads", heads));
  BITMAR_TRY_VOID(check_range("vision_tower.mlp_hidden", mlp_hidden, 1, 8 * kMaximumWidth));
  BITMAR_TRY_VOID(check_range("vision_tower.register_tokens", register_tokens, 0, 64));
  BITMAR_TRY_VOID(check_range("vision_tower.position_grid", position_grid, 1, 256));
  BITMAR_TRY_VOID(check_fraction("vision_tower.norm_epsilon", norm_epsilon, 1e-12f, 1.0f));
  for (std::size_t channel = 0; channel < 3; ++channel) {
    BITMAR_TRY_VOID(check_fraction("vision_tower.mean", mean[channel], 0.0f, 1.0f));
    BITMAR_TRY_VOID(check_fraction("vision_tower.deviation", deviation[channel], 1e-3f, 10.0f));
  }
  if (fit == ImageFit::kCenterCrop) {
    BITMAR_TRY_VOID(check_range("vision_tower.resize_shorter", resize_shorter, image_size, kMaximumImageSide));
  }
  return {};
}

Validity ModelConfig::validate() const {
  BITMAR_TRY_VOID(check_range("vocabulary", vocabulary, 2, 1u << 20));
  BITMAR_TRY_VOID(check_range("width", width, 2, kMaximumWidth));
  BITMAR_TRY_VOID(check_range("heads", heads, 1, width));
  BITMAR_TRY_VOID(check_divides("width", width, "heads", heads));
  if (head_width() % 2 != 0) {
    return fail_key(ErrorCode::kInvalidArgument, "width",
                    "width / heads ({}) must be a multiple of the rotary pair (2)", head_width());
  }
  BITMAR_TRY_VOID(check_range("ffn_hidden", ffn_hidden, 1, 8 * kMaximumWidth));
  BITMAR_TRY_VOID(check_range("encoder_layers", encoder_layers, 1, kMaximumLayers));
  BITMAR_TRY_VOID(check_range("decoder_layers", decoder_layers, 1, kMaximumLayers));
  BITMAR_TRY_VOID(check_range("sink_tokens", sink_tokens, 0, kMaximumTokens));
  BITMAR_TRY_VOID(check_range("window_tokens", window_tokens, 1, kMaximumTokens));
  BITMAR_TRY_VOID(check_range("training_length", training_length, 1, cache_tokens()));
  BITMAR_TRY_VOID(check_fraction("rope_base", rope_base, 1.0f, 1e9f));
  BITMAR_TRY_VOID(check_fraction("norm_epsilon", norm_epsilon, 1e-12f, 1.0f));
  BITMAR_TRY_VOID(check_range("vision_width", vision_width, 1, kMaximumWidth));
  BITMAR_TRY_VOID(check_range("compression_hidden", compression_hidden, 1, kMaximumWidth));
  if (memory) {
    BITMAR_TRY_VOID(check_range("memory_slots", memory_slots, 1, 1u << 16));
    BITMAR_TRY_VOID(check_range("memory_write_slots", memory_write_slots, 1, memory_slots));
    BITMAR_TRY_VOID(check_fraction("memory_write_rate", memory_write_rate, 0.0f, 1.0f));
    BITMAR_TRY_VOID(check_fraction("memory_usage_decay", memory_usage_decay, 0.0f, 1.0f));
    BITMAR_TRY_VOID(check_fraction("memory_usage_floor", memory_usage_floor, 1e-12f, 1.0f));
    BITMAR_TRY_VOID(check_fraction("memory_usage_penalty", memory_usage_penalty, 0.0f, 1000.0f));
  }
  if (tower) {
    BITMAR_TRY_VOID(tower->validate());
    if (tower->feature_width() != vision_width) {
      return fail_key(ErrorCode::kInvalidArgument, "vision_width",
                      "vision_width ({}) must equal the width of the tower's features ({})", vision_width,
                      tower->feature_width());
    }
  }
  return {};
}

ModelConfig bitmar_14m() {
  return {};
}

ModelConfig bitmar_14m_bitvit() {
  ModelConfig config;
  config.vision_width = 192;
  VisionTowerConfig tower;
  tower.name = "bitvit-tiny";
  tower.precision = TowerPrecision::kTernary;
  config.tower = tower;
  return config;
}

ModelConfig bitmar_14m_bitvit_class() {
  ModelConfig config = bitmar_14m_bitvit();
  config.tower->name = "bitvit-tiny-class";
  config.tower->class_feature = true;
  config.vision_width = config.tower->feature_width();
  return config;
}

Result<ModelConfig> preset(const std::string& name) {
  if (name == "bitmar-14m") return bitmar_14m();
  if (name == "bitmar-14m-bitvit") return bitmar_14m_bitvit();
  if (name == "bitmar-14m-bitvit-class") return bitmar_14m_bitvit_class();
  return fail(ErrorCode::kNotFound, "no preset '{}'; expected bitmar-14m or bitmar-14m-bitvit[-class]", name);
}

Result<VisionTowerConfig> tower_preset(const std::string& name) {
  if (name == "vit-tiny-16") return VisionTowerConfig{};
  if (name == "bitvit-tiny") return *bitmar_14m_bitvit().tower;
  if (name == "bitvit-tiny-class") return *bitmar_14m_bitvit_class().tower;
  for (const bool registers : {false, true}) {
    const std::string suffix = registers ? "-registers" : "";
    if (name == "dinov2-small" + suffix) return dinov2(name, 384, 12, 6, registers);
    if (name == "dinov2-base" + suffix) return dinov2(name, 768, 12, 12, registers);
    if (name == "dinov2-large" + suffix) return dinov2(name, 1024, 24, 16, registers);
  }
  return fail(ErrorCode::kNotFound,
              "no tower '{}'; expected vit-tiny-16, bitvit-tiny[-class] or dinov2-{{small,base,large}}[-registers]",
              name);
}

}  // namespace bitmar
