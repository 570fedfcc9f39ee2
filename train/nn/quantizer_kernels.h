// The loops of the fake quantizers (nn/fused_ops.h) over plain memory, which the compiler vectorises; callers share the
// rows out between threads, and no result depends on how they do.
#pragma once

#include <cstddef>
#include <span>

namespace bitmar {

// y = clip(round(x s), -127, 127) / s with s = range / max|x|, of one token; zeros stay zeros.
void quantize_token(std::span<const float> x, float range, std::span<float> y);

// y = x rotated, as the pairs (i, i + width / 2) by the angles of cosine and sine [width / 2]; direction -1: back.
void rotate_head(std::span<const float> x, std::span<const float> cosine, std::span<const float> sine, float direction,
                 std::span<float> y);

// y = clip(round(weight / scale), -1, 1) scale.
void quantize_ternary(std::span<const float> weight, float scale, std::span<float> y);

// y = clip(round(w / s), -127, 127) s with s = F16(max|w| / 127), of one row; a row whose s is zero becomes zero.
void quantize_int8_row(std::span<const float> w, std::span<float> y);

// The sum of gradient * d(quantized) / d(scale) over a block of values (LSQ: Esser et al. 2020).
[[nodiscard]] double scale_gradient_sum(std::span<const float> gradient, std::span<const float> weight, float scale);

}  // namespace bitmar
