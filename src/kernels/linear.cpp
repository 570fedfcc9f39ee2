#include "kernels/linear.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <vector>

#include "kernels/ternary_format.h"

namespace bitmar {
namespace {

// Multiply-adds below which handing ranges to threads (about a microsecond) costs more than it saves.
constexpr std::size_t kParallelWork = std::size_t{1} << 18;

// Codes that are unpacked at a time: they stay in the first caches.
constexpr std::size_t kUnpackedBytes = std::size_t{1} << 16;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

AlignedBuffer<float> copy_of(std::span<const float> values) {
  AlignedBuffer<float> buffer(values.size());
  std::copy(values.begin(), values.end(), buffer.data());
  return buffer;
}

// Calls run(row_begin, row_end), in several threads where that pays.
template <typename Run>
void split_rows(const Kernels& kernels, std::size_t rows, std::size_t work, ThreadPool* pool, const Run& run) {
  if (rows == 0 || work == 0) return;
  if (pool == nullptr || pool->size() == 1 || work < kParallelWork) {
    run(0, rows);
    return;
  }
  // One captured pointer: std::function then needs no allocation.
  pool->parallel_for(rows, kernels.row_granule, [&run](std::size_t begin, std::size_t end) { run(begin, end); });
}

// A product over no columns is the bias alone.
void fill_bias(const AlignedBuffer<float>& bias, MatrixView<float> out) {
  for (std::size_t t = 0; t < out.rows; ++t) {
    const auto row = out.row(t);
    if (bias.size() == 0) {
      std::fill(row.begin(), row.end(), 0.0f);
    } else {
      std::copy(bias.span().begin(), bias.span().end(), row.begin());
    }
  }
}

}  // namespace

void QuantizedActivations::resize(std::size_t tokens, std::size_t columns) {
  tokens_ = tokens;
  columns_ = columns;
  stride_ = round_up(columns, kColumnAlignment);
  codes_.resize(tokens * stride_);
  inverse_scales_.resize(tokens);
  column_sums_.resize(tokens * sum_blocks(stride_) * 2);
}

ActivationRows QuantizedActivations::rows() const {
  assert(has_column_sums_);
  return {codes_.data(), inverse_scales_.data(), column_sums_.data(), tokens_, columns_, stride_};
}

void quantize_activations(const Kernels& kernels, MatrixView<const float> x, QuantizedActivations& out) {
  out.resize(x.rows, x.columns);
  kernels.quantize_rows(x.values.data(), x.rows, x.columns, out.stride_, out.codes_.data(), out.inverse_scales_.data(),
                        out.column_sums_.data());
  out.has_column_sums_ = true;
}

void quantize_heads(const Kernels& kernels, MatrixView<const float> x, QuantizedActivations& out) {
  out.resize(x.rows, x.columns);
  kernels.quantize_heads(x.values.data(), x.rows, x.columns, out.stride_, out.codes_.data(),
                         out.inverse_scales_.data());
  out.has_column_sums_ = false;
}

TernaryLinear::TernaryLinear(const Kernels& kernels, std::size_t rows, std::size_t columns, float scale,
                             std::span<const float> bias)
    : kernels_(&kernels),
      rows_(rows),
      columns_(columns),
      scale_(scale),
      packed_(kernels.ternary_packed_bytes(rows, columns)),
      bias_(copy_of(bias)) {
  assert(bias.empty() || bias.size() == rows);
}

TernaryLinear::TernaryLinear(const Kernels& kernels, std::span<const std::int8_t> codes, std::size_t rows,
                             std::size_t columns, float scale, std::span<const float> bias)
    : TernaryLinear(kernels, rows, columns, scale, bias) {
  assert(codes.size() == rows * columns);
  kernels.ternary_pack(codes.data(), rows, columns, packed_.data());
}

Result<TernaryLinear> TernaryLinear::from_canonical(const Kernels& kernels, std::span<const std::uint8_t> canonical,
                                                    std::size_t rows, std::size_t columns, float scale,
                                                    std::span<const float> bias, std::string_view name) {
  assert(canonical.size() == ternary_packed_size(rows * columns));
  TernaryLinear linear(kernels, rows, columns, scale, bias);
  // Packed rows lie granule after granule. Blocks of a multiple of five rows also begin at a byte of the canonical
  // layout, whatever the columns.
  const std::size_t unit = 5 * kernels.row_granule;
  const std::size_t block = unit * std::max<std::size_t>(1, kUnpackedBytes / std::max<std::size_t>(1, unit * columns));
  std::vector<std::int8_t> codes(std::min(block, rows) * columns);
  for (std::size_t row = 0; row < rows; row += block) {
    const std::size_t count = std::min(block, rows - row);
    const auto part = std::span(codes).first(count * columns);
    BITMAR_TRY_VOID(ternary_unpack_part(canonical, row * columns, part, name));
    kernels.ternary_pack(part.data(), count, columns,
                         linear.packed_.data() + kernels.ternary_packed_bytes(row, columns));
  }
  return linear;
}

std::size_t TernaryLinear::memory_bytes() const {
  return packed_.size() + bias_.size() * sizeof(float);
}

void TernaryLinear::apply(const QuantizedActivations& x, MatrixView<float> out, ThreadPool* pool) const {
  assert(x.columns() == columns_ && out.rows == x.tokens() && out.columns == rows_);
  if (columns_ == 0) return fill_bias(bias_, out);
  const PackedMatrix weights{packed_.data(), rows_, columns_, scale_, nullptr, bias_.data()};
  const ActivationRows activations = x.rows();
  split_rows(*kernels_, rows_, rows_ * columns_ * x.tokens(), pool, [&](std::size_t begin, std::size_t end) {
    kernels_->ternary_linear(&weights, &activations, begin, end, out.values.data());
  });
}

namespace {

// Larger for a larger value and, among equals, for a lower row.
std::uint64_t rank_of(float value, std::size_t row) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);  // -0 counts as 0
  const std::uint32_t ordered = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return std::uint64_t{ordered} << 32 | (0xFFFFFFFFu - static_cast<std::uint32_t>(row));
}

std::size_t row_of(std::uint64_t rank) {
  return 0xFFFFFFFFu - static_cast<std::uint32_t>(rank);
}

}  // namespace

std::size_t TernaryLinear::index_of_max(const QuantizedActivations& x, ThreadPool* pool) const {
  assert(x.tokens() == 1 && x.columns() == columns_ && rows_ > 0 && bias_.size() == 0);
  if (columns_ == 0) return 0;
  const PackedMatrix weights{packed_.data(), rows_, columns_, scale_, nullptr, nullptr};
  const ActivationRows activations = x.rows();
  std::atomic<std::uint64_t> largest{0};
  split_rows(*kernels_, rows_, rows_ * columns_, pool, [&](std::size_t begin, std::size_t end) {
    std::size_t row = begin;
    const float value = kernels_->ternary_largest(&weights, &activations, begin, end, &row);
    const std::uint64_t rank = rank_of(value, row);
    std::uint64_t seen = largest.load(std::memory_order_relaxed);
    while (rank > seen && !largest.compare_exchange_weak(seen, rank, std::memory_order_relaxed)) {
    }
  });
  return row_of(largest.load(std::memory_order_relaxed));
}

Int8Linear::Int8Linear(const Kernels& kernels, std::span<const std::int8_t> codes, std::size_t rows,
                       std::size_t columns, std::span<const float> row_scales, std::span<const float> bias)
    : kernels_(&kernels),
      rows_(rows),
      columns_(columns),
      packed_(kernels.int8_packed_bytes(rows, columns)),
      row_scales_(copy_of(row_scales)),
      bias_(copy_of(bias)) {
  assert(codes.size() == rows * columns && row_scales.size() == rows);
  assert(bias.empty() || bias.size() == rows);
  assert(std::find(codes.begin(), codes.end(), std::int8_t{-128}) == codes.end());
  kernels.int8_pack(codes.data(), rows, columns, packed_.data());
}

std::size_t Int8Linear::memory_bytes() const {
  return packed_.size() + (row_scales_.size() + bias_.size()) * sizeof(float);
}

void Int8Linear::apply(const QuantizedActivations& x, MatrixView<float> out, ThreadPool* pool) const {
  assert(x.columns() == columns_ && out.rows == x.tokens() && out.columns == rows_);
  if (columns_ == 0) return fill_bias(bias_, out);
  const PackedMatrix weights{packed_.data(), rows_, columns_, 1.0f, row_scales_.data(), bias_.data()};
  const ActivationRows activations = x.rows();
  split_rows(*kernels_, rows_, rows_ * columns_ * x.tokens(), pool, [&](std::size_t begin, std::size_t end) {
    kernels_->int8_linear(&weights, &activations, begin, end, out.values.data());
  });
}

FloatLinear::FloatLinear(const Kernels& kernels, std::span<const float> weights, std::size_t rows, std::size_t columns,
                         std::span<const float> bias)
    : kernels_(&kernels),
      rows_(rows),
      columns_(columns),
      packed_(kernels.float_packed_bytes(rows, columns)),
      bias_(copy_of(bias)) {
  assert(weights.size() == rows * columns);
  assert(bias.empty() || bias.size() == rows);
  kernels.float_pack(weights.data(), rows, columns, packed_.data());
}

std::size_t FloatLinear::memory_bytes() const {
  return packed_.size() + bias_.size() * sizeof(float);
}

void FloatLinear::apply(MatrixView<const float> x, MatrixView<float> out, ThreadPool* pool) const {
  assert(x.columns == columns_ && out.rows == x.rows && out.columns == rows_);
  if (columns_ == 0) return fill_bias(bias_, out);
  const PackedMatrix weights{packed_.data(), rows_, columns_, 1.0f, nullptr, bias_.data()};
  split_rows(*kernels_, rows_, rows_ * columns_ * x.rows, pool, [&](std::size_t begin, std::size_t end) {
    kernels_->float_linear(&weights, x.values.data(), x.rows, begin, end, out.values.data());
  });
}

}  // namespace bitmar
