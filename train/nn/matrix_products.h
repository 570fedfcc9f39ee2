// Matrix products of codes and of BF16 matrices on a CPU, in the form in which the processor computes them fast:
// torch's own where it has instructions for them (VNNI; AVX-512 for BF16), else FP32 products of the same values, which
// are many times as fast as what torch falls back to there.
//
//   const torch::Tensor w = integer_operand(matrix.t());                    // once for several products
//   const torch::Tensor sums = integer_product(integer_operand(codes), w);  // int32, exact
//   const torch::Tensor p = bfloat16_operand(probabilities);
//   const torch::Tensor towards = bfloat16_product(p, bfloat16_operand(weight));
//   add_bfloat16_product(bfloat16_operand(x).t(), p, total);                // total: of sums_of_products
#pragma once

#include "torch_headers.h"

namespace bitmar {

// Whether torch computes these products on this processor by instructions made for them.
struct FastProducts {
  bool integer = false;
  bool bfloat16 = false;
};
[[nodiscard]] FastProducts fast_products();

// int8 codes as integer_product takes them: themselves or their values in FP32.
[[nodiscard]] torch::Tensor integer_operand(const torch::Tensor& codes, FastProducts fast = fast_products());

// a b of two such operands, a [n, k] in [-127, 127], b [k, m] ternary -> int32 [n, m], exact: k is at most
// kLongestIntegerSum.
inline constexpr std::int64_t kLongestIntegerSum = (std::int64_t{1} << 24) / 127;
[[nodiscard]] torch::Tensor integer_product(const torch::Tensor& a, const torch::Tensor& b);

// `matrix`, of values that BF16 holds exactly, as the products below take it: in BF16 or in FP32.
[[nodiscard]] torch::Tensor bfloat16_operand(const torch::Tensor& matrix, FastProducts fast = fast_products());

// a b of two such operands -> BF16; sums are FP32.
[[nodiscard]] torch::Tensor bfloat16_product(const torch::Tensor& a, const torch::Tensor& b);

// FP32 zeros [rows, columns], laid out as add_bfloat16_product adds to them fastest.
[[nodiscard]] torch::Tensor sums_of_products(std::int64_t rows, std::int64_t columns,
                                             FastProducts fast = fast_products());
// sums += a b.
void add_bfloat16_product(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& sums);

}  // namespace bitmar
