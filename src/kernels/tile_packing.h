// How integer weights lie for the kernels: plain code shared by the instruction sets' files, with internal linkage.
//
// Ternary: tiles of 4 * kLanes rows; in a tile, groups of 4 columns; a group has kLanes words of 4 bytes, byte j for
// column j of the group, whose bit pair p holds value + 1 (0, 1 or 2) of row p * kLanes + lane. One 32-bit lane is thus
// four columns of one row, and the same four activations, broadcast, meet all rows of the tile.
// Int8: panels of kLanes rows; in a panel, groups of 4 columns; in a group, kLanes words of 4 codes.
#pragma once

#include <cstring>

#include "kernels/kernel_table.h"

namespace bitmar {
namespace {

[[maybe_unused]] std::size_t round_up(std::size_t count, std::size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Where the results of one matrix go.
struct Output {
  const PackedMatrix* weights;
  const ActivationRows* x;
  std::size_t row_end;
  float* values;  // [tokens, rows]
};

// The sum of a token's codes: out of line, to keep its loop out of the products' registers.
[[maybe_unused]] __attribute__((noinline)) std::int32_t sum_of_codes(const ActivationRows& x, std::size_t token) {
  const std::size_t count = 2 * sum_blocks(x.stride);
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += x.column_sums[token * count + i];
  return sum;
}

// Codes [column, column + 4) of a row; 0 beyond its end.
[[maybe_unused]] inline std::uint32_t four_codes(const std::int8_t* row, std::size_t column, std::size_t columns) {
  std::uint32_t word = 0;
  if (column + 4 <= columns) {
    std::memcpy(&word, row + column, 4);
  } else if (column < columns) {
    std::memcpy(&word, row + column, columns - column);
  }
  return word;
}

template <std::size_t kLanes>
std::size_t ternary_packed_bytes(std::size_t rows, std::size_t columns) {
  return round_up(rows, 4 * kLanes) * round_up(columns, kColumnAlignment) / 4;
}

// Codes [column, column + 16) of a row, four a word: one vector on most processors. 0 beyond the row's end.
struct CodeWords {
  std::uint32_t at[4];
};
[[maybe_unused]] inline CodeWords sixteen_codes(const std::int8_t* row, std::size_t column, std::size_t columns) {
  CodeWords words{};
  if (column + 16 <= columns) {
    std::memcpy(words.at, row + column, 16);
  } else if (column < columns) {
    std::memcpy(words.at, row + column, columns - column);
  }
  return words;
}

// kFlip: what every packed byte is combined with by exclusive or; 0x80 makes byte - 128, signed, of it.
template <std::size_t kLanes, std::uint8_t kFlip = 0>
void ternary_pack(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  const std::size_t stride = round_up(columns, kColumnAlignment);
  for (std::size_t tile = 0; tile < rows; tile += 4 * kLanes) {
    for (std::size_t column = 0; column < stride; column += 16) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        CodeWords words;
        for (std::uint32_t& word : words.at) word = kFlip * 0x01010101u;
#pragma GCC unroll 4
        for (std::size_t pair = 0; pair < 4; ++pair) {
          const std::size_t row = tile + pair * kLanes + lane;
          const CodeWords values = row < rows ? sixteen_codes(codes + row * columns, column, columns) : CodeWords{};
          // Byte by byte: -1, 0, 1 are 3, 0, 1 modulo 4; plus 1 modulo 4 makes 0, 1, 2.
          for (std::size_t group = 0; group < 4; ++group) {
            words.at[group] ^= (((values.at[group] & 0x03030303u) + 0x01010101u) & 0x03030303u) << (2 * pair);
          }
        }
        for (std::size_t group = 0; group < 4; ++group) {
          std::memcpy(packed + (group * kLanes + lane) * 4, &words.at[group], 4);
        }
      }
      packed += 16 * kLanes;
    }
  }
}

template <std::size_t kLanes>
std::size_t int8_packed_bytes(std::size_t rows, std::size_t columns) {
  return round_up(rows, kLanes) * round_up(columns, kColumnAlignment);
}

// kFlip: what every code is combined with by exclusive or; 0x80 makes code + 128 of it.
template <std::size_t kLanes, std::uint8_t kFlip>
void int8_pack(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  const std::size_t stride = round_up(columns, kColumnAlignment);
  for (std::size_t panel = 0; panel < rows; panel += kLanes) {
    for (std::size_t column = 0; column < stride; column += 4) {
      for (std::size_t row = panel; row < panel + kLanes; ++row) {
        const std::uint32_t values = row < rows ? four_codes(codes + row * columns, column, columns) : 0;
        const std::uint32_t word = values ^ (kFlip * 0x01010101u);
        std::memcpy(packed, &word, 4);
        packed += 4;
      }
    }
  }
}

// FP32: panels of 16 rows, [panel, column, 16].
[[maybe_unused]] std::size_t float_packed_bytes(std::size_t rows, std::size_t columns) {
  return round_up(rows, 16) * columns * sizeof(float);
}

[[maybe_unused]] void float_pack(const float* weights, std::size_t rows, std::size_t columns, std::uint8_t* packed) {
  auto* panels = reinterpret_cast<float*>(packed);
  for (std::size_t panel = 0; panel < rows; panel += 16) {
    for (std::size_t column = 0; column < columns; ++column) {
      for (std::size_t row = panel; row < panel + 16; ++row) {
        *panels++ = row < rows ? weights[row * columns + column] : 0.0f;
      }
    }
  }
}

// ternary_largest by ternary_linear on blocks of rows, whose outputs stay in the first cache.
template <auto ternary_linear, auto index_of_max, auto packed_bytes>
float largest_by_blocks(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin,
                        std::size_t row_end, std::size_t* row) {
  constexpr std::size_t kBlockRows = 1024;  // a multiple of every granule
  alignas(64) float outputs[kBlockRows];
  float largest = 0.0f;
  for (std::size_t first = row_begin; first < row_end; first += kBlockRows) {
    const std::size_t count = row_end - first < kBlockRows ? row_end - first : kBlockRows;
    PackedMatrix block = *weights;
    block.data += packed_bytes(first, weights->columns);
    block.rows = count;
    ternary_linear(&block, x, 0, count, outputs);
    const std::size_t best = index_of_max(outputs, count);
    if (first != row_begin && !(outputs[best] > largest)) continue;
    largest = outputs[best];
    *row = first + best;
  }
  return largest;
}

}  // namespace
}  // namespace bitmar
