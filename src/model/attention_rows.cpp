#include "model/attention_rows.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace bitmar {
namespace {

constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

AttentionRows::AttentionRows(const Kernels& kernels, std::size_t heads, std::size_t head_width, std::size_t rows)
    : key_flip_(kernels.key_flip),
      heads_(heads),
      head_width_(head_width),
      key_width_(round_up(head_width, 4)),
      value_width_(round_up(head_width, 16)),
      rows_(whole_blocks(rows)),
      keys_(heads * rows_ * key_width_),
      values_(heads * rows_ * value_width_),
      key_scales_(heads * rows_),
      value_scales_(heads * rows_) {}

std::size_t AttentionRows::memory_bytes() const {
  return keys_.size() + values_.size() + (key_scales_.size() + value_scales_.size()) * sizeof(float);
}

std::size_t AttentionRows::key_at(std::size_t head, std::size_t row, std::size_t i) const {
  const std::size_t block = head * rows_ / kAttentionBlock + row / kAttentionBlock;
  return block * kAttentionBlock * key_width_ + (i / 4 * kAttentionBlock + row % kAttentionBlock) * 4 + i % 4;
}

std::size_t AttentionRows::value_at(std::size_t head, std::size_t row, std::size_t i) const {
  return ((head * rows_ + row) / 4 * value_width_ + i) * 4 + row % 4;
}

void AttentionRows::put(std::size_t row, const QuantizedActivations& keys, const QuantizedActivations& values,
                        std::size_t token) {
  assert(row < rows_ && keys.columns() == head_width_ && values.columns() == head_width_);
  for (std::size_t head = 0; head < heads_; ++head) {
    const std::size_t source = token * heads_ + head;
    key_scales_.data()[head * rows_ + row] = keys.inverse_scale(source);
    value_scales_.data()[head * rows_ + row] = values.inverse_scale(source);
    // Codes are padded with zeros up to the multiple of 4.
    const std::int8_t* key = keys.codes(source).data();
    std::int8_t* key_target = keys_.data() + key_at(head, row, 0);
    for (std::size_t i = 0; i < key_width_; i += 4) {
      std::uint32_t four;
      std::memcpy(&four, key + i, sizeof four);
      four ^= key_flip_ * 0x01010101u;
      std::memcpy(key_target + i * kAttentionBlock, &four, sizeof four);
    }
    const std::int8_t* value = values.codes(source).data();
    std::int8_t* value_target = values_.data() + value_at(head, row, 0);
    for (std::size_t i = 0; i < head_width_; ++i) value_target[i * 4] = value[i];
  }
}

void AttentionRows::copy_first(const AttentionRows& other, std::size_t count) {
  const std::size_t rows = whole_blocks(count);
  assert(key_flip_ == other.key_flip_ && heads_ == other.heads_ && head_width_ == other.head_width_);
  assert(rows <= rows_ && rows <= other.rows_);
  const auto copy = [&](auto& target, const auto& source, std::size_t width) {
    for (std::size_t head = 0; head < heads_; ++head) {
      std::copy_n(source.data() + head * other.rows_ * width, rows * width, target.data() + head * rows_ * width);
    }
  };
  copy(keys_, other.keys_, key_width_);
  copy(values_, other.values_, value_width_);
  copy(key_scales_, other.key_scales_, 1);
  copy(value_scales_, other.value_scales_, 1);
}

AttentionRange AttentionRows::range(std::size_t head, std::size_t begin, std::size_t end) const {
  assert(head < heads_ && begin < end && end <= rows_);
  return {nullptr,
          0.0f,
          keys_.data() + head * rows_ * key_width_,
          key_scales_.data() + head * rows_,
          values_.data() + head * rows_ * value_width_,
          value_scales_.data() + head * rows_,
          nullptr,
          begin,
          end};
}

float AttentionRows::key(std::size_t head, std::size_t row, std::size_t i) const {
  const auto code = static_cast<std::int8_t>(keys_.data()[key_at(head, row, i)] ^ key_flip_);
  return static_cast<float>(code) * key_scales_.data()[head * rows_ + row];
}

float AttentionRows::value(std::size_t head, std::size_t row, std::size_t i) const {
  return static_cast<float>(values_.data()[value_at(head, row, i)]) * value_scales_.data()[head * rows_ + row];
}

}  // namespace bitmar
