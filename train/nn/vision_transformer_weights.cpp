#include "nn/vision_transformer_weights.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace bitmar {
namespace {

class TimmReader {
 public:
  explicit TimmReader(const SafeTensorsFile& file) : file_(file) {}

  Result<void> fill(const std::string& name, torch::Tensor& target) const {
    BITMAR_TRY(const std::vector<float> values, file_.floats(name, static_cast<std::uint64_t>(target.numel())));
    target.copy_(torch::tensor(values).view_as(target));
    return {};
  }

  // Several parameters stacked along the first dimension of one tensor.
  Result<void> fill_stacked(const std::string& name, std::vector<torch::Tensor> targets) const {
    std::int64_t total = 0;
    for (const auto& target : targets) total += target.numel();
    BITMAR_TRY(const std::vector<float> values, file_.floats(name, static_cast<std::uint64_t>(total)));
    const torch::Tensor all = torch::tensor(values);
    std::int64_t offset = 0;
    for (auto& target : targets) {
      target.copy_(all.slice(0, offset, offset + target.numel()).view_as(target));
      offset += target.numel();
    }
    return {};
  }

  Result<void> fill_norm(const std::string& name, torch::nn::LayerNormImpl& norm) const {
    BITMAR_TRY_VOID(fill(name + ".weight", norm.weight));
    return fill(name + ".bias", norm.bias);
  }

  Result<void> fill_linear(const std::string& name, BitLinearImpl& linear) const {
    BITMAR_TRY_VOID(fill(name + ".weight", linear.weight));
    return fill(name + ".bias", linear.bias);
  }

 private:
  const SafeTensorsFile& file_;
};

Result<void> fill_block(const TimmReader& reader, const std::string& prefix, TowerBlockImpl& block) {
  TowerAttentionImpl& attention = *block.attention;
  BITMAR_TRY_VOID(reader.fill_norm(prefix + "norm1", *block.attention_norm));
  BITMAR_TRY_VOID(reader.fill_stacked(prefix + "attn.qkv.weight",
                                      {attention.query->weight, attention.key->weight, attention.value->weight}));
  BITMAR_TRY_VOID(reader.fill_stacked(prefix + "attn.qkv.bias",
                                      {attention.query->bias, attention.key->bias, attention.value->bias}));
  BITMAR_TRY_VOID(reader.fill_linear(prefix + "attn.proj", *attention.output));
  if (block.attention_scale.defined()) BITMAR_TRY_VOID(reader.fill(prefix + "ls1.gamma", block.attention_scale));
  BITMAR_TRY_VOID(reader.fill_norm(prefix + "norm2", *block.mlp_norm));
  BITMAR_TRY_VOID(reader.fill_linear(prefix + "mlp.fc1", *block.mlp->up));
  BITMAR_TRY_VOID(reader.fill_linear(prefix + "mlp.fc2", *block.mlp->down));
  if (block.mlp_scale.defined()) BITMAR_TRY_VOID(reader.fill(prefix + "ls2.gamma", block.mlp_scale));
  return {};
}

void initialise_scales(VisionTransformerImpl& tower) {
  for (const auto& layer : tower.ternary_layers()) layer.ptr()->initialise_scale();
}

}  // namespace

Result<void> load_timm_weights(const SafeTensorsFile& file, VisionTransformerImpl& tower) {
  const torch::NoGradGuard no_gradient;
  const TimmReader reader(file);
  BITMAR_TRY_VOID(reader.fill("patch_embed.proj.weight", tower.patch_embedding->weight));
  BITMAR_TRY_VOID(reader.fill("patch_embed.proj.bias", tower.patch_embedding->bias));
  BITMAR_TRY_VOID(reader.fill("cls_token", tower.class_token));
  if (tower.register_tokens.defined()) BITMAR_TRY_VOID(reader.fill("reg_token", tower.register_tokens));
  BITMAR_TRY_VOID(reader.fill("pos_embed", tower.position_embedding));
  for (std::size_t layer = 0; layer < tower.blocks.size(); ++layer) {
    BITMAR_TRY_VOID(fill_block(reader, fmt::format("blocks.{}.", layer), *tower.blocks[layer]));
  }
  BITMAR_TRY_VOID(reader.fill_norm("norm", *tower.norm));
  initialise_scales(tower);
  return {};
}

void copy_tower_weights(const VisionTransformerImpl& from, VisionTransformerImpl& to) {
  const torch::NoGradGuard no_gradient;
  const auto source = from.named_parameters();
  for (auto& parameter : to.named_parameters()) {
    const torch::Tensor* found = source.find(parameter.key());
    if (found == nullptr) {
      if (parameter.key().ends_with(".scale")) continue;
      throw std::invalid_argument(fmt::format("copy_tower_weights: the source tower has no '{}'", parameter.key()));
    }
    if (found->sizes() != parameter.value().sizes()) {
      throw std::invalid_argument(fmt::format("copy_tower_weights: '{}' has another shape", parameter.key()));
    }
    parameter.value().copy_(*found);
  }
  initialise_scales(to);
}

}  // namespace bitmar
