#include "nn/packed_products.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define BITMAR_VNNI [[gnu::target("avx512f,avx512vnni")]]
#endif

namespace bitmar {
namespace {

constexpr std::size_t kGroup = 4;      // codes that one 32-bit lane multiplies and adds
constexpr std::size_t kLanes = 16;     // columns of a register
constexpr std::size_t kRegisters = 4;  // of a tile
constexpr std::size_t kTile = kLanes * kRegisters;
constexpr std::size_t kTokens = 6;  // times kRegisters sums: 24 of the 32 registers
constexpr std::size_t kLine = 64;
// A row's next lines must be in the cache before its sums are there: 256 products ahead; so must the next tile.
constexpr std::size_t kProductsAhead = 256;
constexpr std::size_t kPackedAhead = 4096;
constexpr std::size_t kDeepest = std::numeric_limits<std::int16_t>::max() / 127;

}  // namespace

std::size_t packed_size(std::size_t columns, std::size_t depth) {
  return (columns + kTile - 1) / kTile * kTile * depth;
}

// [tiles][depth / kGroup][kTile][kGroup], each code + 1: without a sign, as the instruction wants one of its factors.
// Columns behind the last are zeros.
void pack_ternary(std::span<const std::int8_t> matrix, std::size_t depth, std::span<std::uint8_t> packed) {
  const std::size_t columns = matrix.size() / depth;
  for (std::size_t first = 0; first < columns; first += kTile) {
    std::uint8_t* tile = packed.data() + first * depth;
    for (std::size_t column = 0; column < kTile; ++column) {
      const bool real = first + column < columns;
      for (std::size_t i = 0; i < depth; ++i) {
        const int code = real ? matrix[(first + column) * depth + i] : 0;
        tile[(i / kGroup * kTile + column) * kGroup + i % kGroup] = static_cast<std::uint8_t>(code + 1);
      }
    }
  }
}

#if defined(__x86_64__)

bool has_packed_products(std::size_t depth) {
  return depth > 0 && depth % kGroup == 0 && depth <= kDeepest && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vnni");
}

namespace {

[[gnu::always_inline]] inline std::int32_t four_codes(const std::int8_t* codes) {
  std::int32_t four = 0;
  std::memcpy(&four, codes, sizeof(four));
  return four;
}

// sum += the four products of every lane. The compiler's own function copies its sums from register to register.
[[gnu::always_inline]] BITMAR_VNNI inline void add_products(__m512i weights, __m512i codes, __m512i& sum) {
  asm("vpdpbusd %[codes], %[weights], %[sum]" : [sum] "+v"(sum) : [weights] "v"(weights), [codes] "v"(codes));
}

// The first `columns` of two registers' sums, which fit 16 bits.
[[gnu::always_inline]] BITMAR_VNNI inline void store_sums(__m512i low, __m512i high, std::size_t columns,
                                                          std::uint16_t* products) {
  std::uint16_t sums[2 * kLanes];
  std::uint16_t* to = columns < 2 * kLanes ? sums : products;
  constexpr __mmask16 kAll = 0xFFFF;  // without it GCC 12 warns of a value that its own header leaves undefined
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(kAll, low));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kLanes), _mm512_maskz_cvtepi32_epi16(kAll, high));
  if (columns < 2 * kLanes) std::memcpy(products, sums, columns * sizeof(sums[0]));
}

// products [Rows, kTile] of one tile, of whose columns the first `columns` are stored. offsets [Rows]: the sum of a
// row's codes, which the 1 in each packed code adds.
template <std::size_t Rows>
BITMAR_VNNI inline void tile_products(const std::uint8_t* tile, std::size_t depth, const std::int8_t* codes,
                                      const std::int32_t* offsets, std::size_t columns, std::size_t stride,
                                      std::uint16_t* products) {
  __m512i sums[Rows][kRegisters];
#pragma GCC unroll 8
  for (std::size_t row = 0; row < Rows; ++row) {
    sums[row][0] = sums[row][1] = sums[row][2] = sums[row][3] = _mm512_set1_epi32(-offsets[row]);
  }
#pragma GCC unroll 8
  for (std::size_t row = 0; row < Rows; ++row) {
    const std::uint16_t* next = products + row * stride + kProductsAhead;
    __builtin_prefetch(next, 1);
    __builtin_prefetch(next + kLine / sizeof(*next), 1);
  }
  for (std::size_t i = 0; i < depth; i += kGroup) {
    const std::uint8_t* group = tile + i * kTile;
#pragma GCC unroll 4
    for (std::size_t line = 0; line < kTile * kGroup; line += kLine) __builtin_prefetch(group + kPackedAhead + line);
    const __m512i weights0 = _mm512_loadu_si512(group);
    const __m512i weights1 = _mm512_loadu_si512(group + kLine);
    const __m512i weights2 = _mm512_loadu_si512(group + 2 * kLine);
    const __m512i weights3 = _mm512_loadu_si512(group + 3 * kLine);
#pragma GCC unroll 8
    for (std::size_t row = 0; row < Rows; ++row) {
      const __m512i code = _mm512_set1_epi32(four_codes(codes + row * depth + i));
      add_products(weights0, code, sums[row][0]);
      add_products(weights1, code, sums[row][1]);
      add_products(weights2, code, sums[row][2]);
      add_products(weights3, code, sums[row][3]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t row = 0; row < Rows; ++row) {
    std::uint16_t* out = products + row * stride;
    store_sums(sums[row][0], sums[row][1], columns, out);
    if (columns > 2 * kLanes) store_sums(sums[row][2], sums[row][3], columns - 2 * kLanes, out + 2 * kLanes);
  }
}

}  // namespace

BITMAR_VNNI void packed_products(std::span<const std::uint8_t> packed, std::size_t depth,
                                 std::span<const std::int8_t> codes, std::size_t columns,
                                 std::span<std::uint16_t> products) {
  const std::size_t rows = codes.size() / depth;
  std::vector<std::int32_t> offsets(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    for (const std::int8_t code : codes.subspan(row * depth, depth)) offsets[row] += code;
  }
  for (std::size_t first = 0; first < columns; first += kTile) {
    const std::uint8_t* tile = packed.data() + first * depth;
    const std::size_t count = std::min(kTile, columns - first);
    std::size_t row = 0;
    for (; row + kTokens <= rows; row += kTokens) {
      tile_products<kTokens>(tile, depth, codes.data() + row * depth, offsets.data() + row, count, columns,
                             products.data() + row * columns + first);
    }
    for (; row < rows; ++row) {
      tile_products<1>(tile, depth, codes.data() + row * depth, offsets.data() + row, count, columns,
                       products.data() + row * columns + first);
    }
  }
}

#else

bool has_packed_products(std::size_t) {
  return false;
}

void packed_products(std::span<const std::uint8_t>, std::size_t, std::span<const std::int8_t>, std::size_t,
                     std::span<std::uint16_t>) {}

#endif

}  // namespace bitmar
