#include "optim/block_quantizer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace bitmar {
namespace {

constexpr int kDecades = 7;

// Magnitudes with `first` intervals in the lowest decade and 1.0 at the end; index 0 is zero.
template <std::size_t count>
constexpr std::array<float, count> magnitudes(int first) {
  std::array<float, count> levels{};
  std::size_t next = 1;
  double top = 1e-6;
  int intervals = first;
  for (int decade = 0; decade < kDecades; ++decade) {
    for (int i = 0; i < intervals; ++i) {
      levels[next++] = static_cast<float>(top * (0.1 + 0.9 * (i + 0.5) / intervals));
    }
    top *= 10;
    intervals *= 2;
  }
  levels[next] = 1.0f;
  return levels;
}

// Finds the nearest of `levels` to a magnitude in [0, 1] (the lower one halfway between): a table of the first
// candidate by the number's exponent and seven bits of its mantissa, then at most a few comparisons.
template <std::size_t count>
struct Encoder {
  static constexpr std::size_t kBuckets = 0x3F80 + 1;  // 1.0f >> 16 is the last
  std::array<float, count> levels;
  std::array<float, count> upper;  // the halfway point to the next level
  std::array<std::uint8_t, kBuckets> first;

  explicit constexpr Encoder(int lowest) : levels(magnitudes<count>(lowest)), upper{}, first{} {
    for (std::size_t i = 0; i + 1 < count; ++i) upper[i] = 0.5f * (levels[i] + levels[i + 1]);
    upper[count - 1] = 2.0f;
    std::size_t code = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      const auto lower = std::bit_cast<float>(static_cast<std::uint32_t>(bucket << 16));
      while (lower > upper[code]) ++code;
      first[bucket] = static_cast<std::uint8_t>(code);
    }
  }

  [[nodiscard]] std::size_t encode(float magnitude) const {
    const std::size_t bucket = std::min<std::size_t>(std::bit_cast<std::uint32_t>(magnitude) >> 16, kBuckets - 1);
    std::size_t code = first[bucket];
    while (magnitude > upper[code] && code + 1 < count) ++code;
    return code;
  }
};

constexpr std::size_t kSignedMagnitudes = 129;  // 0, 127 and 1
constexpr std::size_t kUnsignedMagnitudes = 256;

const Encoder<kSignedMagnitudes>& signed_encoder() {
  static const Encoder<kSignedMagnitudes> encoder(1);
  return encoder;
}

const Encoder<kUnsignedMagnitudes>& unsigned_encoder() {
  static const Encoder<kUnsignedMagnitudes> encoder(2);
  return encoder;
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

}  // namespace

std::span<const float> signed_levels() {
  static const std::array<float, 256> levels = [] {
    std::array<float, 256> both{};
    const auto& positive = signed_encoder().levels;
    for (std::size_t i = 0; i < kSignedMagnitudes; ++i) both[kSignedZero + i] = positive[i];
    for (std::size_t i = 1; i <= kSignedZero; ++i) both[kSignedZero - i] = -positive[i];
    return both;
  }();
  return levels;
}

std::span<const float> unsigned_levels() {
  return unsigned_encoder().levels;
}

float quantize_signed(std::span<const float> values, std::span<std::uint8_t> codes) {
  const auto& encoder = signed_encoder();
  const float scale = largest_magnitude(values);
  const float divisor = scale > 0 ? scale : 1.0f;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t magnitude = encoder.encode(std::fabs(values[i]) / divisor);
    const std::size_t code =
        values[i] < 0 ? kSignedZero - std::min<std::size_t>(magnitude, kSignedZero) : kSignedZero + magnitude;
    codes[i] = static_cast<std::uint8_t>(code);
  }
  return scale;
}

float quantize_unsigned(std::span<const float> values, std::span<std::uint8_t> codes) {
  const auto& encoder = unsigned_encoder();
  const float scale = largest_magnitude(values);
  const float divisor = scale > 0 ? scale : 1.0f;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t code = encoder.encode(values[i] / divisor);
    codes[i] = static_cast<std::uint8_t>(code == 0 && values[i] > 0 ? 1 : code);
  }
  return scale;
}

void dequantize_signed(std::span<const std::uint8_t> codes, float scale, std::span<float> values) {
  const std::span<const float> levels = signed_levels();
  for (std::size_t i = 0; i < codes.size(); ++i) values[i] = levels[codes[i]] * scale;
}

void dequantize_unsigned(std::span<const std::uint8_t> codes, float scale, std::span<float> values) {
  const std::span<const float> levels = unsigned_levels();
  for (std::size_t i = 0; i < codes.size(); ++i) values[i] = levels[codes[i]] * scale;
}

}  // namespace bitmar
