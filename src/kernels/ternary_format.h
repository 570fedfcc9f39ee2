// The canonical ternary layout: values in {-1, 0, 1}, row-major, no padding between rows; five a byte, base 3, the
// first value in the lowest digit, each stored as value + 1. The last byte's unused digits are 1 (value 0). A byte is
// therefore at most 242; larger ones are refused. 1.6 bits a weight, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace bitmar {

// Bytes that `count` ternary values take: ceil(count / 5).
[[nodiscard]] constexpr std::uint64_t ternary_packed_size(std::uint64_t count) {
  return count / 5 + (count % 5 != 0);
}

// Packs codes in {-1, 0, 1}; `packed` has ternary_packed_size(codes.size()) bytes.
void ternary_pack(std::span<const std::int8_t> codes, std::span<std::uint8_t> packed);

// The reverse. `name` stands in the error: a byte above 242, or padding digits that are not value 0.
[[nodiscard]] Result<void> ternary_unpack(std::span<const std::uint8_t> packed, std::span<std::int8_t> codes,
                                          std::string_view name);

// The part of it that holds codes [first, first + codes.size()); `first` is a multiple of 5, and so is codes.size()
// except at the end.
[[nodiscard]] Result<void> ternary_unpack_part(std::span<const std::uint8_t> packed, std::size_t first,
                                               std::span<std::int8_t> codes, std::string_view name);

// q = clip(round_half_even(w / scale), -1, 1), the weight quantizer of docs/model.md; scale > 0.
void ternary_quantize(std::span<const float> weights, float scale, std::span<std::int8_t> codes);

}  // namespace bitmar
