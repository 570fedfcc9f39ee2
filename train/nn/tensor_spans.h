// Torch's tensors as spans, and loops over their rows.
//
//   for_rows(matrix, [&](std::size_t row, std::size_t rows, std::size_t columns) { … });
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nn/ternary_kernels.h"
#include "torch_headers.h"

#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for would run on one thread; expected -fopenmp, as torch was built with OpenMP"
#endif

namespace bitmar {

// Of a contiguous tensor.
template <typename T>
std::span<const T> values(const torch::Tensor& x) {
  return {x.const_data_ptr<T>(), static_cast<std::size_t>(x.numel())};
}
template <typename T>
std::span<T> mutable_values(const torch::Tensor& x) {
  return {x.mutable_data_ptr<T>(), static_cast<std::size_t>(x.numel())};
}
inline std::span<const BFloat16Bits> bits(const torch::Tensor& x) {
  return {reinterpret_cast<const BFloat16Bits*>(x.const_data_ptr<at::BFloat16>()), static_cast<std::size_t>(x.numel())};
}
inline std::span<BFloat16Bits> mutable_bits(const torch::Tensor& x) {
  return {reinterpret_cast<BFloat16Bits*>(x.mutable_data_ptr<at::BFloat16>()), static_cast<std::size_t>(x.numel())};
}

// work(first row, rows, columns) over all rows of `matrix`, shared out between threads.
template <typename Work>
void for_rows(const torch::Tensor& matrix, const Work& work) {
  constexpr std::int64_t kGrain = 1 << 15;  // values worth a thread
  if (matrix.numel() == 0) return;
  const std::int64_t columns = matrix.size(1);
  at::parallel_for(
      0, matrix.size(0), std::max<std::int64_t>(1, kGrain / columns), [&](std::int64_t begin, std::int64_t end) {
        work(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin), static_cast<std::size_t>(columns));
      });
}

// A BF16 product is compiled for each new shape (0.7 ms) and kept. Batches of ragged lengths would compile without end,
// so their matrices get rows of zeros up to a multiple of this.
inline constexpr std::int64_t kProductRows = 128;
inline std::int64_t padded_rows(std::int64_t rows) {
  return (rows + kProductRows - 1) / kProductRows * kProductRows;
}

// `matrix` in BF16 with padded_rows.
inline torch::Tensor padded_bfloat16(const torch::Tensor& matrix) {
  auto padded = torch::empty({padded_rows(matrix.size(0)), matrix.size(1)}, matrix.options().dtype(torch::kBFloat16));
  padded.narrow(0, 0, matrix.size(0)).copy_(matrix);
  padded.narrow(0, matrix.size(0), padded.size(0) - matrix.size(0)).zero_();
  return padded;
}

}  // namespace bitmar
