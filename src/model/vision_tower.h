// The vision tower: a ViT from pixels to patch features (docs/model.md, "Vision tower"). One implementation runs
// DINOv2 with and without registers, timm's ViTs and our ternary BitViT; the config says which.
//
//   BITMAR_TRY(const VisionTower tower, VisionTower::load(config, decoder, kernels));
//   VisionWorkspace workspace(tower);                                // one a thread, reused
//   tower.encode(pixels, features, workspace, &pool);
#pragma once

#include <cstddef>
#include <span>
#include <variant>
#include <vector>

#include "base/matrix_view.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/kernels.h"
#include "model/schema/config.h"
#include "model/schema/tensor_codec.h"
#include "model/tower_attention.h"
#include "model/tower_code_attention.h"
#include "model/tower_linear.h"

namespace bitmar {

class VisionTower;

// Working memory of one encode() at a time, of this tower or one of the same config and kernels; sized once.
class VisionWorkspace {
 public:
  explicit VisionWorkspace(const VisionTower& tower);

 private:
  friend class VisionTower;
  AlignedBuffer<float> hidden_;   // [tokens, width], the residual stream
  AlignedBuffer<float> normed_;   // [tokens, width]; also the attention's output
  AlignedBuffer<float> queries_;  // [tokens, width]; also the blocks' outputs
  AlignedBuffer<float> keys_;     // [tokens, width]
  AlignedBuffer<float> values_;   // [tokens, width]
  AlignedBuffer<float> wide_;     // [row block, MLP width or pixels of a patch]
  TowerActivations activations_;
  std::variant<TowerAttention, TowerCodeAttention> attention_;
};

// Constant once loaded, shared by threads that have a workspace each.
class VisionTower {
 public:
  // Reads every tensor of the tower's table; errors name the file and the tensor.
  static Result<VisionTower> load(const VisionTowerConfig& config, const TensorDecoder& tensors,
                                  const Kernels& kernels);

  [[nodiscard]] const VisionTowerConfig& config() const { return config_; }
  // Bytes that the parameters take in memory.
  [[nodiscard]] std::size_t memory_bytes() const;

  // pixels [3, image_size, image_size], normalised; features [patches, feature_width()]: the final norm's patch tokens
  // in raster order, without register tokens, each followed by the class token where the config has class_feature.
  // `workspace` is of this tower. `pool` may be null; the result has the same bits for any number of threads.
  void encode(std::span<const float> pixels, MatrixView<float> features, VisionWorkspace& workspace,
              ThreadPool* pool) const;

 private:
  friend class VisionWorkspace;
  struct Norm {
    std::vector<float> gain;
    std::vector<float> bias;
  };
  struct Block {
    Norm attention_norm;
    TowerLinear query;
    TowerLinear key;
    TowerLinear value;
    TowerLinear output;
    std::vector<float> attention_scale;  // [width], or empty: no LayerScale
    Norm mlp_norm;
    TowerLinear up;
    TowerLinear down;
    std::vector<float> mlp_scale;  // as attention_scale
  };
  class Loader;

  VisionTower(const VisionTowerConfig& config, const Kernels& kernels) : config_(config), kernels_(&kernels) {}
  void embed(std::span<const float> pixels, VisionWorkspace& workspace, ThreadPool* pool) const;
  void attend(const Block& block, VisionWorkspace& workspace, ThreadPool* pool) const;
  void feed_forward(const Block& block, VisionWorkspace& workspace, ThreadPool* pool) const;
  void normalise(MatrixView<const float> x, const Norm& norm, MatrixView<float> out) const;
  void add_residual(MatrixView<float> update, std::span<const float> scale, MatrixView<float> hidden) const;

  VisionTowerConfig config_;
  const Kernels* kernels_;
  TowerLinear patch_embedding_;
  std::vector<float> prefix_;     // [1 + registers, width]: class token with its position, register tokens
  std::vector<float> positions_;  // [patches, width], on the grid of image_size
  std::vector<Block> blocks_;
  Norm norm_;
};

}  // namespace bitmar
