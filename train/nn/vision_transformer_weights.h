// Weights of a vision tower from timm's safetensors, and from one tower to another.
#pragma once

#include "base/result.h"
#include "io/safetensors.h"
#include "nn/vision_transformer.h"

namespace bitmar {

// Fills `tower` from a timm ViT checkpoint (`blocks.N.attn.qkv.weight`, …); the classification head is ignored. Errors
// name the file and the tensor. Ternary towers take the weights as latent ones and set their scales.
[[nodiscard]] Result<void> load_timm_weights(const SafeTensorsFile& file, VisionTransformerImpl& tower);

// Copies every parameter that both towers have by name (all but the scales), then sets a ternary tower's scales to
// mean|w|. The towers must have the same shape.
void copy_tower_weights(const VisionTransformerImpl& from, VisionTransformerImpl& to);

}  // namespace bitmar
