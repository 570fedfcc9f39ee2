// What a model is made of: everything that shapes depend on. Trainer and runtime share it; it travels in the GGUF
// file's metadata (`bitmar.*`) and in a checkpoint's.
//
//   ModelConfig config = bitmar_14m();          // the paper's: 768-d features
//   BITMAR_TRY_VOID(config.validate());
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/key_error.h"
#include "base/result.h"

namespace bitmar {

// How a tower's block projections are stored and computed.
enum class TowerPrecision : std::uint32_t { kFloat32 = 0, kInt8 = 1, kTernary = 2 };
enum class TowerMlp : std::uint32_t { kGelu = 0, kSwiGlu = 1 };
// How a photo becomes the tower's square input.
enum class ImageFit : std::uint32_t {
  kSquash = 0,      // resize both sides to image_size, whatever the aspect
  kCenterCrop = 1,  // resize the shorter side to resize_shorter, then crop image_size x image_size at the centre
};

// A vision transformer, pixels [3, image_size, image_size] -> patch features [patches, feature_width()].
struct VisionTowerConfig {
  std::string name = "vit_tiny_patch16_224";
  std::uint32_t image_size = 224;
  std::uint32_t patch_size = 16;
  std::uint32_t width = 192;
  std::uint32_t depth = 12;
  std::uint32_t heads = 3;
  std::uint32_t mlp_hidden = 768;
  TowerMlp mlp = TowerMlp::kGelu;
  TowerPrecision precision = TowerPrecision::kFloat32;
  bool layer_scale = false;
  std::uint32_t register_tokens = 0;
  bool class_feature = false;        // the class token's output follows each patch's: features twice as wide
  std::uint32_t position_grid = 14;  // side of the grid that the position embedding was learned on
  bool position_antialias = false;   // antialiased bicubic interpolation to another grid (DINOv2 with registers)
  float norm_epsilon = 1e-6f;
  std::array<float, 3> mean = {0.5f, 0.5f, 0.5f};
  std::array<float, 3> deviation = {0.5f, 0.5f, 0.5f};
  ImageFit fit = ImageFit::kSquash;
  std::uint32_t resize_shorter = 224;  // kCenterCrop only

  [[nodiscard]] std::uint32_t grid() const { return image_size / patch_size; }
  [[nodiscard]] std::uint32_t patches() const { return grid() * grid(); }
  [[nodiscard]] std::uint32_t feature_width() const { return class_feature ? 2 * width : width; }
  [[nodiscard]] Validity validate() const;
  bool operator==(const VisionTowerConfig&) const = default;
};

// Which summary of the fused states reads the memory (docs/model.md, "Query").
enum class QueryKind : std::uint32_t { kMean = 0, kExponential = 1 };
// How fusion and memory enter the decoder's input.
enum class InjectionKind : std::uint32_t { kAdd = 0, kConcatenate = 1 };

struct ModelConfig {
  // Text stacks.
  std::uint32_t vocabulary = 50257;  // V
  std::uint32_t width = 128;         // d
  std::uint32_t heads = 4;           // h
  std::uint32_t ffn_hidden = 512;    // f
  std::uint32_t encoder_layers = 4;
  std::uint32_t decoder_layers = 4;
  std::uint32_t sink_tokens = 4;       // S
  std::uint32_t window_tokens = 1020;  // W
  std::uint32_t training_length = 256;
  float rope_base = 10000.0f;
  float norm_epsilon = 1e-5f;

  // Vision input: features [N, vision_width] are pooled 2x2 if N is a square grid of even side, then compressed.
  std::uint32_t vision_width = 768;  // F
  std::uint32_t compression_hidden = 384;

  // Episodic memory.
  std::uint32_t memory_slots = 512;      // K; the slot width C is `width`
  float memory_write_rate = 0.2f;        // alpha
  std::uint32_t memory_write_slots = 8;  // m
  float memory_usage_decay = 0.99f;      // rho
  float memory_usage_floor = 1e-3f;      // epsilon
  float memory_usage_penalty = 1.0f;     // kappa
  QueryKind query = QueryKind::kMean;
  InjectionKind injection = InjectionKind::kAdd;
  bool memory = true;  // false: the ablation, no r_t anywhere

  std::optional<VisionTowerConfig> tower;  // in the file too, where the model goes from pixels

  [[nodiscard]] std::uint32_t head_width() const { return width / heads; }
  [[nodiscard]] std::uint32_t cache_tokens() const { return sink_tokens + window_tokens; }
  [[nodiscard]] Validity validate() const;
  bool operator==(const ModelConfig&) const = default;
};

// The presets. `bitmar-14m`: the paper's shape on 768-d DINOv2-B features, no tower in the file.
// `bitmar-14m-bitvit`: with the ternary ViT-Tiny-shaped tower; `bitmar-14m-bitvit-class`: the same with class_feature.
[[nodiscard]] ModelConfig bitmar_14m();
[[nodiscard]] ModelConfig bitmar_14m_bitvit();
[[nodiscard]] ModelConfig bitmar_14m_bitvit_class();
[[nodiscard]] Result<ModelConfig> preset(const std::string& name);

// Known towers by name: vit-tiny-16, bitvit-tiny, bitvit-tiny-class, dinov2-{small,base,large}[-registers].
[[nodiscard]] Result<VisionTowerConfig> tower_preset(const std::string& name);

}  // namespace bitmar
