#include "model/vision_tower.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <string>
#include <utility>

#include "kernels/ops.h"
#include "model/position_embedding.h"
#include "model/schema/tensor_table.h"

namespace bitmar {
namespace {

// Tokens that pass through the MLP (and patches through the embedding) together, so that its wide rows stay in cache
// and a large image takes no more memory for them.
constexpr std::size_t kRowBlock = 256;

std::size_t patch_values(const VisionTowerConfig& config) {
  return std::size_t{3} * config.patch_size * config.patch_size;
}

std::size_t prefix_tokens(const VisionTowerConfig& config) {
  return std::size_t{1} + config.register_tokens;
}

std::size_t token_count(const VisionTowerConfig& config) {
  return prefix_tokens(config) + config.patches();
}

std::size_t up_rows(const VisionTowerConfig& config) {
  return (config.mlp == TowerMlp::kSwiGlu ? std::size_t{2} : std::size_t{1}) * config.mlp_hidden;
}

// Ternary towers learn with attention on 8-bit codes; others have learned without.
std::variant<TowerAttention, TowerCodeAttention> make_attention(const VisionTowerConfig& config,
                                                             const Kernels& kernels) {
  const std::size_t head_width = config.width / config.heads;
  if (config.precision == TowerPrecision::kTernary) {
    return TowerCodeAttention(kernels, token_count(config), config.heads, head_width);
  }
  return TowerAttention(kernels, token_count(config), config.heads, head_width);
}

MatrixView<float> matrix(AlignedBuffer<float>& buffer, std::size_t rows, std::size_t columns) {
  return {buffer.span().first(rows * columns), rows, columns};
}

// The pixels of patch `index` as [3, patch, patch].
void gather_patch(std::span<const float> pixels, const VisionTowerConfig& config, std::size_t index,
                  std::span<float> out) {
  const std::size_t side = config.image_size;
  const std::size_t patch = config.patch_size;
  const std::size_t top = index / config.grid() * patch;
  const std::size_t left = index % config.grid() * patch;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t row = 0; row < patch; ++row) {
      std::ranges::copy(pixels.subspan((channel * side + top + row) * side + left, patch),
                        out.data() + (channel * patch + row) * patch);
    }
  }
}

}  // namespace

VisionWorkspace::VisionWorkspace(const VisionTower& tower)
    : hidden_(token_count(tower.config()) * tower.config().width),
      normed_(hidden_.size()),
      queries_(hidden_.size()),
      keys_(hidden_.size()),
      values_(hidden_.size()),
      wide_(std::min(kRowBlock, token_count(tower.config())) *
            std::max(up_rows(tower.config()), patch_values(tower.config()))),
      attention_(make_attention(tower.config(), *tower.kernels_)) {}

// Looks tensors up in the tower's table by name and decodes them.
class VisionTower::Loader {
 public:
  Loader(const VisionTowerConfig& config, const TensorDecoder& tensors, const Kernels& kernels)
      : tensors_(tensors), kernels_(kernels) {
    for (auto& spec : tower_tensor_table(config)) {
      std::string name = spec.name;
      specs_.emplace(std::move(name), std::move(spec));
    }
  }

  [[nodiscard]] Result<std::vector<float>> floats(const std::string& name) const {
    return tensors_.floats(specs_.at(name));
  }
  [[nodiscard]] Result<TowerLinear> linear(const std::string& name) const {
    return TowerLinear::load(tensors_, specs_.at(name + ".weight"), specs_.at(name + ".bias"), kernels_);
  }
  [[nodiscard]] Result<Norm> norm(const std::string& name) const {
    Norm norm;
    BITMAR_TRY(norm.gain, floats(name + ".weight"));
    BITMAR_TRY(norm.bias, floats(name + ".bias"));
    return norm;
  }
  [[nodiscard]] Result<Block> block(const std::string& name, bool layer_scale) const {
    Block block;
    BITMAR_TRY(block.attention_norm, norm(name + ".attention_norm"));
    BITMAR_TRY(block.query, linear(name + ".attention.query"));
    BITMAR_TRY(block.key, linear(name + ".attention.key"));
    BITMAR_TRY(block.value, linear(name + ".attention.value"));
    BITMAR_TRY(block.output, linear(name + ".attention.output"));
    BITMAR_TRY(block.mlp_norm, norm(name + ".mlp_norm"));
    BITMAR_TRY(block.up, linear(name + ".mlp.up"));
    BITMAR_TRY(block.down, linear(name + ".mlp.down"));
    if (layer_scale) {
      BITMAR_TRY(block.attention_scale, floats(name + ".attention_scale"));
      BITMAR_TRY(block.mlp_scale, floats(name + ".mlp_scale"));
    }
    return block;
  }

 private:
  const TensorDecoder& tensors_;
  const Kernels& kernels_;
  std::map<std::string, TensorSpec> specs_;
};

Result<VisionTower> VisionTower::load(const VisionTowerConfig& config, const TensorDecoder& tensors,
                                      const Kernels& kernels) {
  BITMAR_TRY_VOID(config.validate());
  const Loader loader(config, tensors, kernels);
  VisionTower tower(config, kernels);
  BITMAR_TRY(tower.patch_embedding_, loader.linear("vision_tower.patch_embedding"));

  // Class and register tokens are the same for every photo, and so are the patches' positions.
  BITMAR_TRY(tower.prefix_, loader.floats("vision_tower.class_token"));
  BITMAR_TRY(const std::vector<float> positions, loader.floats("vision_tower.position_embedding"));
  for (std::size_t k = 0; k < config.width; ++k) tower.prefix_[k] += positions[k];
  if (config.register_tokens > 0) {
    BITMAR_TRY(const std::vector<float> registers, loader.floats("vision_tower.register_tokens"));
    tower.prefix_.insert(tower.prefix_.end(), registers.begin(), registers.end());
  }
  tower.positions_ = resample_position_grid(std::span(positions).subspan(config.width), config.position_grid,
                                            config.grid(), config.width, config.position_antialias);

  for (std::uint32_t layer = 0; layer < config.depth; ++layer) {
    BITMAR_TRY(Block block, loader.block(fmt::format("vision_tower.{}", layer), config.layer_scale));
    tower.blocks_.push_back(std::move(block));
  }
  BITMAR_TRY(tower.norm_, loader.norm("vision_tower.norm"));
  return tower;
}

std::size_t VisionTower::memory_bytes() const {
  const auto norm_size = [](const Norm& norm) { return norm.gain.size() + norm.bias.size(); };
  std::size_t floats = prefix_.size() + positions_.size() + norm_size(norm_);
  std::size_t bytes = patch_embedding_.memory_bytes();
  for (const Block& block : blocks_) {
    floats += norm_size(block.attention_norm) + norm_size(block.mlp_norm);
    floats += block.attention_scale.size() + block.mlp_scale.size();
    for (const TowerLinear* linear : {&block.query, &block.key, &block.value, &block.output, &block.up, &block.down}) {
      bytes += linear->memory_bytes();
    }
  }
  return bytes + floats * sizeof(float);
}

void VisionTower::encode(std::span<const float> pixels, MatrixView<float> features, VisionWorkspace& workspace,
                         ThreadPool* pool) const {
  assert(pixels.size() == std::size_t{3} * config_.image_size * config_.image_size);
  assert(features.rows == config_.patches() && features.columns == config_.feature_width());
  assert(workspace.hidden_.size() == token_count(config_) * config_.width);
  embed(pixels, workspace, pool);
  for (const Block& block : blocks_) {
    attend(block, workspace, pool);
    feed_forward(block, workspace, pool);
  }
  const auto hidden = matrix(workspace.hidden_, token_count(config_), config_.width);
  if (!config_.class_feature) {
    return normalise(hidden.slice(prefix_tokens(config_), config_.patches()), norm_, features);
  }
  const auto normed = matrix(workspace.normed_, token_count(config_), config_.width);
  normalise(hidden, norm_, normed);
  for (std::size_t patch = 0; patch < config_.patches(); ++patch) {
    std::ranges::copy(normed.row(prefix_tokens(config_) + patch), features.row(patch).begin());
    std::ranges::copy(normed.row(0), features.row(patch).begin() + config_.width);
  }
}

void VisionTower::embed(std::span<const float> pixels, VisionWorkspace& workspace, ThreadPool* pool) const {
  const auto hidden = matrix(workspace.hidden_, token_count(config_), config_.width);
  std::ranges::copy(prefix_, hidden.values.begin());
  const auto patch_rows = hidden.slice(prefix_tokens(config_), config_.patches());
  for (std::size_t first = 0; first < patch_rows.rows; first += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, patch_rows.rows - first);
    const auto patches = matrix(workspace.wide_, count, patch_values(config_));
    for (std::size_t i = 0; i < count; ++i) gather_patch(pixels, config_, first + i, patches.row(i));
    workspace.activations_.set(*kernels_, patches, patch_embedding_.quantized());
    patch_embedding_.apply(workspace.activations_, patch_rows.slice(first, count), pool);
  }
  add(*kernels_, patch_rows.values, positions_, patch_rows.values);
}

void VisionTower::attend(const Block& block, VisionWorkspace& workspace, ThreadPool* pool) const {
  const std::size_t tokens = token_count(config_);
  const auto hidden = matrix(workspace.hidden_, tokens, config_.width);
  const auto normed = matrix(workspace.normed_, tokens, config_.width);
  const auto queries = matrix(workspace.queries_, tokens, config_.width);
  const auto keys = matrix(workspace.keys_, tokens, config_.width);
  const auto values = matrix(workspace.values_, tokens, config_.width);
  normalise(hidden, block.attention_norm, normed);
  workspace.activations_.set(*kernels_, normed, block.query.quantized());
  block.query.apply(workspace.activations_, queries, pool);
  block.key.apply(workspace.activations_, keys, pool);
  block.value.apply(workspace.activations_, values, pool);
  const auto attended = normed;
  std::visit([&](auto& attention) { attention.run(queries, keys, values, attended, pool); }, workspace.attention_);
  workspace.activations_.set(*kernels_, attended, block.output.quantized());
  const auto update = queries;
  block.output.apply(workspace.activations_, update, pool);
  add_residual(update, block.attention_scale, hidden);
}

void VisionTower::feed_forward(const Block& block, VisionWorkspace& workspace, ThreadPool* pool) const {
  const std::size_t tokens = token_count(config_);
  for (std::size_t first = 0; first < tokens; first += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, tokens - first);
    const auto hidden = matrix(workspace.hidden_, tokens, config_.width).slice(first, count);
    const auto normed = matrix(workspace.normed_, count, config_.width);
    const auto wide = matrix(workspace.wide_, count, up_rows(config_));
    normalise(hidden, block.mlp_norm, normed);
    workspace.activations_.set(*kernels_, normed, block.up.quantized());
    block.up.apply(workspace.activations_, wide, pool);

    const std::size_t width = config_.mlp_hidden;
    const auto activated = matrix(workspace.wide_, count, width);
    if (config_.mlp == TowerMlp::kGelu) {
      gelu(*kernels_, wide.values, activated.values);
    } else {
      // silu(gate) * value. Row r of the result ends where or before row r of `wide` begins (row 0: its gate), so the
      // rows close up in place.
      for (std::size_t r = 0; r < count; ++r) {
        const auto gate = wide.row(r).first(width);
        silu(*kernels_, gate, gate);
        multiply(*kernels_, gate, wide.row(r).last(width), activated.row(r));
      }
    }
    workspace.activations_.set(*kernels_, activated, block.down.quantized());
    const auto update = matrix(workspace.queries_, count, config_.width);
    block.down.apply(workspace.activations_, update, pool);
    add_residual(update, block.mlp_scale, hidden);
  }
}

void VisionTower::normalise(MatrixView<const float> x, const Norm& norm, MatrixView<float> out) const {
  layer_norm(*kernels_, x, norm.gain, norm.bias, config_.norm_epsilon, out);
}

void VisionTower::add_residual(MatrixView<float> update, std::span<const float> scale, MatrixView<float> hidden) const {
  if (!scale.empty()) {
    for (std::size_t t = 0; t < update.rows; ++t) multiply(*kernels_, update.row(t), scale, update.row(t));
  }
  add(*kernels_, hidden.values, update.values, hidden.values);
}

}  // namespace bitmar
