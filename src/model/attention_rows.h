// What attention reads: keys and values of some rows, every head's as 8-bit codes with a scale a row, laid in the
// blocks that the kernels want (AttentionRange in kernel_table.h).
//
//   AttentionRows rows(kernels, heads, head_width, 64);
//   rows.put(row, keys, values, token);                  // QuantizedActivations of [tokens * heads, head_width]
//   AttentionRange range = rows.range(head, 0, 64);      // then range.query and range.query_scale
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"

namespace bitmar {

// `rows` rounded up to whole blocks of the kernels.
constexpr std::size_t whole_blocks(std::size_t rows) {
  return (rows + kAttentionBlock - 1) / kAttentionBlock * kAttentionBlock;
}

class AttentionRows {
 public:
  // To be read by `kernels` alone. `rows` is rounded up to whole blocks.
  AttentionRows(const Kernels& kernels, std::size_t heads, std::size_t head_width, std::size_t rows);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  // Sets `row` to the quantized heads of a token: rows [token * heads, (token + 1) * heads) of `keys` and `values`.
  void put(std::size_t row, const QuantizedActivations& keys, const QuantizedActivations& values, std::size_t token);
  // Takes over rows [0, count) of `other`, of the same heads and width.
  void copy_first(const AttentionRows& other, std::size_t count);
  // Rows [begin, end) of one head, begin < end, without a query.
  [[nodiscard]] AttentionRange range(std::size_t head, std::size_t begin, std::size_t end) const;

  // Code i of a row's key or value, and its scale: to look at single elements.
  [[nodiscard]] float key(std::size_t head, std::size_t row, std::size_t i) const;
  [[nodiscard]] float value(std::size_t head, std::size_t row, std::size_t i) const;

 private:
  [[nodiscard]] std::size_t key_at(std::size_t head, std::size_t row, std::size_t i) const;
  [[nodiscard]] std::size_t value_at(std::size_t head, std::size_t row, std::size_t i) const;

  std::uint8_t key_flip_;
  std::size_t heads_;
  std::size_t head_width_;
  std::size_t key_width_;    // a multiple of 4
  std::size_t value_width_;  // a multiple of 16
  std::size_t rows_;
  AlignedBuffer<std::int8_t> keys_;    // [heads, rows / 16, key_width / 4, 16, 4]
  AlignedBuffer<std::int8_t> values_;  // [heads, rows / 4, value_width, 4]
  AlignedBuffer<float> key_scales_;    // [heads, rows]
  AlignedBuffer<float> value_scales_;  // [heads, rows]
};

}  // namespace bitmar
