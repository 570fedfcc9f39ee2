// A ViT's learned position embedding, resampled from the square grid that it was learned on to another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitmar {

// Bicubic resampling of embedding [from * from, width] to [to * to, width], half-pixel centres (align_corners=False),
// as torch.nn.functional.interpolate(size=(to, to)) computes it:
// - antialias = false: Keys' kernel with a = -0.75 over the 4 nearest points, indices clamped at the border (DINOv2);
// - antialias = true: a = -0.5, the kernel widened by the scale where the grid shrinks, weights renormalised at the
//   border (DINOv2 with registers; timm).
// Equal grids return the embedding unchanged.
[[nodiscard]] std::vector<float> resample_position_grid(std::span<const float> embedding, std::uint32_t from,
                                                        std::uint32_t to, std::uint32_t width, bool antialias);

}  // namespace bitmar
