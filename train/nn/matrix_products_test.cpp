#include "nn/matrix_products.h"

#include <gmock/gmock.h>

#include <array>
#include <vector>

namespace bitmar {
namespace {

// Both forms where the processor has fast instructions, else the one.
std::vector<FastProducts> forms() {
  std::vector<FastProducts> result = {{}};
  if (fast_products().integer || fast_products().bfloat16) result.push_back(fast_products());
  return result;
}

constexpr std::array<std::array<std::int64_t, 3>, 5> kShapes = {
    {{1, 4, 8}, {32, 128, 512}, {65, 512, 130}, {5, 64, 2500}, {40, kLongestIntegerSum, 16}}};

TEST(MatrixProductsTest, ProductsOfCodesAreExact) {
  for (const FastProducts form : forms()) {
    for (const auto& [rows, depth, columns] : kShapes) {
      torch::manual_seed(rows);
      const torch::Tensor a = torch::randint(-127, 128, {rows, depth}).to(torch::kChar);
      torch::Tensor b = torch::randint(-1, 2, {columns, depth}).to(torch::kChar);
      b[0].fill_(1);  // the largest sums that there can be
      a[0].fill_(-127);
      const torch::Tensor expected = torch::mm(a.to(torch::kLong), b.t().to(torch::kLong));
      const torch::Tensor product = integer_product(integer_operand(a, form), integer_operand(b.t(), form));
      EXPECT_EQ(product.scalar_type(), torch::kInt);
      EXPECT_TRUE(torch::equal(product.to(torch::kLong), expected)) << rows << " " << depth << " " << columns;
    }
  }
}

TEST(MatrixProductsTest, LongerSumsThanFp32HoldsAreRefused) {
  const torch::Tensor a = torch::ones({1, kLongestIntegerSum + 1}, torch::kChar);
  EXPECT_THROW((void)integer_product(integer_operand(a, {}), integer_operand(a.t(), {})), c10::Error);
}

TEST(MatrixProductsTest, ProductsInBFloat16RoundOnceAtTheEnd) {
  for (const FastProducts form : forms()) {
    torch::manual_seed(2);
    const torch::Tensor a = torch::randn({128, 300}).to(torch::kBFloat16);
    const torch::Tensor b = torch::randn({300, 64}).to(torch::kBFloat16);
    const torch::Tensor left = bfloat16_operand(a, form), right = bfloat16_operand(b, form);
    const torch::Tensor exact = torch::mm(a.to(torch::kDouble), b.to(torch::kDouble));
    // Half a unit of BF16's 8 bits, and an FP32 sum of 300 terms.
    const torch::Tensor bound =
        exact.abs() * 0x1p-8 + torch::mm(a.abs().to(torch::kDouble), b.abs().to(torch::kDouble)) * 300 * 0x1p-24;
    const torch::Tensor product = bfloat16_product(left, right);
    ASSERT_EQ(product.scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(((product.to(torch::kDouble) - exact).abs() <= bound).all().item<bool>());
    const torch::Tensor sums = sums_of_products(128, 64, form);
    add_bfloat16_product(left, right, sums);
    EXPECT_TRUE(((sums.to(torch::kDouble) - exact).abs() <= bound).all().item<bool>());
    add_bfloat16_product(left, right, sums);
    EXPECT_TRUE(((sums.to(torch::kDouble) - 2 * exact).abs() <= 2 * bound).all().item<bool>());
  }
}

}  // namespace
}  // namespace bitmar
