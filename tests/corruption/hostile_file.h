// The ways in which a small valid file is damaged. Each damaged copy lies in a heap block of exactly its size, so that
// AddressSanitizer sees the first byte read beyond it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "allocation_meter.h"
#include "base/random.h"

namespace bitmar::testing {

using Bytes = std::vector<std::byte>;

// A reader may hold this many times the file's size, plus a constant for its error message and fixed state. The
// densest legal contents are short keys (14 bytes a key in GGUF, 7 in a safetensors header), each a map node of about
// a hundred bytes.
inline constexpr std::size_t kAllocationFactor = 16;
inline constexpr std::size_t kAllocationSlack = 16384;

// Calls `reader(bytes)` -> bool (whether it accepted them) and checks what it allocated.
template <typename Reader>
bool read_metered(const Bytes& bytes, const Reader& reader) {
  const AllocationMeter meter;
  const bool accepted = reader(bytes);
  EXPECT_LE(meter.peak(), kAllocationFactor * bytes.size() + kAllocationSlack);
  return accepted;
}

// Cut at every byte. Whatever ends before `needed` must be refused.
template <typename Reader>
void truncate_everywhere(const Bytes& valid, std::size_t needed, const Reader& reader) {
  ASSERT_TRUE(read_metered(valid, reader));
  for (std::size_t size = 0; size < valid.size(); ++size) {
    const Bytes cut(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(size));
    const bool accepted = read_metered(cut, reader);
    ASSERT_FALSE(accepted && size < needed) << "accepted when cut at byte " << size;
  }
}

// `count` single-bit flips below `end`. Returns how many copies were still accepted.
template <typename Reader>
std::size_t flip_bits(const Bytes& valid, std::size_t end, std::size_t count, std::uint64_t seed,
                      const Reader& reader) {
  Random random(seed);
  std::size_t accepted = 0;
  for (std::size_t flip = 0; flip < count; ++flip) {
    Bytes damaged = valid;
    damaged[static_cast<std::size_t>(random.below(end))] ^= static_cast<std::byte>(1u << random.below(8));
    if (read_metered(damaged, reader)) ++accepted;
  }
  return accepted;
}

// Eight bytes of ones at every offset below `end`: the extreme of every count, length, size and offset.
template <typename Reader>
void overwrite_everywhere(const Bytes& valid, std::size_t end, const Reader& reader) {
  for (std::size_t offset = 0; offset < end; ++offset) {
    Bytes damaged = valid;
    const std::size_t length = std::min<std::size_t>(8, damaged.size() - offset);
    std::fill_n(damaged.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0xFF});
    read_metered(damaged, reader);
  }
}

// Reads every byte of a view, for AddressSanitizer's eyes.
inline std::size_t touch(std::span<const std::byte> bytes) {
  std::size_t sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<std::size_t>(byte);
  return sum;
}

}  // namespace bitmar::testing
