// Block-wise 8-bit quantization of optimizer state with dynamic-tree levels (Dettmers et al., "8-bit Optimizers via
// Block-wise Quantization", 2021, section 2).
//
// A block is scaled by its largest magnitude; a code is the index of the nearest level. The unsigned levels are 0, 1
// and, in each of seven decades from 1e-6 to 1, twice as many values as in the decade below: 2, 4, …, 128 midpoints of
// equal intervals of the decade's upper nine tenths. The signed ones have half as many in each decade, for both signs
// (-1 alone is missing): relative precision is about 1 % near the block's largest value and coarser below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitmar {

inline constexpr std::size_t kQuantizationBlock = 2048;
inline constexpr int kSignedZero = 127;  // the signed code of 0

// [256], rising; for signed codes from -0.993 to 1, for unsigned ones from 0 to 1.
[[nodiscard]] std::span<const float> signed_levels();
[[nodiscard]] std::span<const float> unsigned_levels();

// Quantizes one block; `codes` and `values` have one size. Returns the scale (the largest magnitude; 0 for zeros).
float quantize_signed(std::span<const float> values, std::span<std::uint8_t> codes);
// `values` >= 0. A positive value never becomes 0.
float quantize_unsigned(std::span<const float> values, std::span<std::uint8_t> codes);

// value = level[code] * scale.
void dequantize_signed(std::span<const std::uint8_t> codes, float scale, std::span<float> values);
void dequantize_unsigned(std::span<const std::uint8_t> codes, float scale, std::span<float> values);

}  // namespace bitmar
