#include "nn/matrix_products.h"

#include <ATen/cpu/Utils.h>

#include <algorithm>

#include "nn/tensor_spans.h"

namespace bitmar {

FastProducts fast_products() {
  static const FastProducts found = [] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    const auto has = [&](const char* name) {
      const auto entry = capabilities.find(name);
      return entry != capabilities.end() && entry->second.isBool() && entry->second.toBool();
    };
    return FastProducts{.integer = has("avx512_vnni"), .bfloat16 = has("avx512_bw")};
  }();
  return found;
}

torch::Tensor integer_operand(const torch::Tensor& codes, FastProducts fast) {
  return fast.integer ? codes : codes.to(torch::kFloat);
}

torch::Tensor integer_product(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.scalar_type() == torch::kChar) return at::_int_mm(a, b);
  // Every partial sum is an integer below 2^24, whatever their order: FP32 holds it exactly.
  TORCH_CHECK(a.size(1) <= kLongestIntegerSum, "integer_product: ", a.size(1), " columns; expected at most ",
              kLongestIntegerSum);
  constexpr std::int64_t kBlock = 1024;  // columns whose sums stay in the cache until they are integers
  torch::Tensor product = torch::empty({a.size(0), b.size(1)}, a.options().dtype(torch::kInt));
  for (std::int64_t first = 0; first < b.size(1); first += kBlock) {
    const std::int64_t count = std::min(kBlock, b.size(1) - first);
    product.narrow(1, first, count).copy_(torch::mm(a, b.narrow(1, first, count)));
  }
  return product;
}

torch::Tensor bfloat16_operand(const torch::Tensor& matrix, FastProducts fast) {
  return matrix.to(fast.bfloat16 ? torch::kBFloat16 : torch::kFloat);
}

torch::Tensor bfloat16_product(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::mm(a, b).to(torch::kBFloat16);
}

torch::Tensor sums_of_products(std::int64_t rows, std::int64_t columns, FastProducts fast) {
  return fast.bfloat16 ? torch::zeros({rows, columns}) : torch::zeros({columns, rows}).t();
}

void add_bfloat16_product(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& sums) {
  if (a.scalar_type() == torch::kFloat) {
    sums.addmm_(a, b);
    return;
  }
  const torch::Tensor step = torch::mm(a, b);
  for_rows(step, [&](std::size_t row, std::size_t rows, std::size_t columns) {
    add_rows(bits(step).subspan(row * columns, rows * columns),
             mutable_values<float>(sums).subspan(row * columns, rows * columns));
  });
}

}  // namespace bitmar
