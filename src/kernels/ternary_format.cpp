#include "kernels/ternary_format.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace bitmar {
namespace {

constexpr std::size_t kDigits = 5;
constexpr std::uint8_t kPackedValues = 243;  // 3^5

// The five values of every packed byte, in eight bytes: one store.
constexpr std::size_t kStored = 8;
constexpr auto kUnpacked = [] {
  std::array<std::array<std::int8_t, kStored>, kPackedValues> table{};
  for (unsigned packed = 0; packed < kPackedValues; ++packed) {
    unsigned rest = packed;
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
      table[packed][digit] = static_cast<std::int8_t>(static_cast<int>(rest % 3) - 1);
      rest /= 3;
    }
  }
  return table;
}();

}  // namespace

void ternary_pack(std::span<const std::int8_t> codes, std::span<std::uint8_t> packed) {
  assert(packed.size() == ternary_packed_size(codes.size()));
  for (std::size_t index = 0; index < packed.size(); ++index) {
    const auto group = codes.subspan(index * kDigits, std::min(kDigits, codes.size() - index * kDigits));
    int value = 0;
    for (std::size_t digit = kDigits; digit-- > 0;) {
      const int code = digit < group.size() ? group[digit] : 0;
      assert(code >= -1 && code <= 1);
      value = 3 * value + code + 1;
    }
    packed[index] = static_cast<std::uint8_t>(value);
  }
}

Result<void> ternary_unpack(std::span<const std::uint8_t> packed, std::span<std::int8_t> codes, std::string_view name) {
  assert(packed.size() == ternary_packed_size(codes.size()));
  return ternary_unpack_part(packed, 0, codes, name);
}

Result<void> ternary_unpack_part(std::span<const std::uint8_t> packed, std::size_t first, std::span<std::int8_t> codes,
                                 std::string_view name) {
  assert(first % kDigits == 0);
  const auto part = packed.subspan(first / kDigits, static_cast<std::size_t>(ternary_packed_size(codes.size())));
  std::uint8_t largest = 0;
  for (const std::uint8_t byte : part) largest = std::max(largest, byte);
  if (largest >= kPackedValues) {
    const auto bad = std::ranges::find_if(part, [](std::uint8_t byte) { return byte >= kPackedValues; });
    return fail(ErrorCode::kInvalidFile, "{}: byte {} is {}; five ternary values are at most 242", name,
                first / kDigits + static_cast<std::size_t>(bad - part.begin()), *bad);
  }
  // A store writes three bytes too many, which the next one overwrites: not at the end.
  const std::size_t whole = codes.size() < kStored ? 0 : (codes.size() - kStored) / kDigits + 1;
  for (std::size_t index = 0; index < whole; ++index) {
    std::memcpy(codes.data() + index * kDigits, kUnpacked[part[index]].data(), kStored);
  }
  for (std::size_t index = whole; index < part.size(); ++index) {
    const auto& group = kUnpacked[part[index]];
    const std::size_t count = std::min(kDigits, codes.size() - index * kDigits);
    std::copy_n(group.begin(), count, codes.begin() + static_cast<std::ptrdiff_t>(index * kDigits));
    if (std::any_of(group.begin() + count, group.begin() + kDigits, [](std::int8_t code) { return code != 0; })) {
      return fail(ErrorCode::kInvalidFile, "{}: the unused digits of the last byte must stand for 0", name);
    }
  }
  return {};
}

// Rounding half to even sends exactly +-0.5 to 0 and everything beyond to +-1 or further, which the clip brings back:
// two comparisons are the whole quantizer.
void ternary_quantize(std::span<const float> weights, float scale, std::span<std::int8_t> codes) {
  assert(weights.size() == codes.size() && scale > 0.0f);
  std::ranges::transform(weights, codes.begin(), [scale](float weight) {
    const float ratio = weight / scale;
    return static_cast<std::int8_t>((ratio > 0.5f ? 1 : 0) - (ratio < -0.5f ? 1 : 0));
  });
}

}  // namespace bitmar
