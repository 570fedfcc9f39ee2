#include "nn/packed_products.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace bitmar {
namespace {

TEST(PackedProducts, AreExact) {
  if (!has_packed_products(128)) GTEST_SKIP() << "this processor has no AVX-512 VNNI";
  std::mt19937 generator(5);
  std::uniform_int_distribution<int> code(-127, 127), ternary(-1, 1);
  for (const std::size_t depth : {4, 32, 128, 256}) {
    ASSERT_TRUE(has_packed_products(depth));
    for (const std::size_t columns : {1, 15, 16, 33, 64, 65, 200}) {
      std::vector<std::int8_t> matrix(columns * depth);
      for (auto& value : matrix) value = static_cast<std::int8_t>(ternary(generator));
      std::vector<std::uint8_t> packed(packed_size(columns, depth));
      pack_ternary(matrix, depth, packed);
      for (const std::size_t rows : {1, 5, 6, 13}) {
        std::vector<std::int8_t> codes(rows * depth);
        for (auto& value : codes) value = static_cast<std::int8_t>(code(generator));
        std::vector<std::uint16_t> products(rows * columns + 1, 0xABCD);  // one more, to be left alone
        packed_products(packed, depth, codes, columns, std::span(products).first(rows * columns));
        for (std::size_t row = 0; row < rows; ++row) {
          for (std::size_t column = 0; column < columns; ++column) {
            int expected = 0;
            for (std::size_t i = 0; i < depth; ++i) expected += codes[row * depth + i] * matrix[column * depth + i];
            ASSERT_EQ(static_cast<std::int16_t>(products[row * columns + column]), expected)
                << depth << " deep, " << columns << " columns, row " << row << ", column " << column;
          }
        }
        EXPECT_EQ(products.back(), 0xABCD);
      }
    }
  }
}

TEST(PackedProducts, HoldTheLargestSums) {
  if (!has_packed_products(256)) GTEST_SKIP() << "this processor has no AVX-512 VNNI";
  for (const int sign : {-1, 1}) {
    const std::vector<std::int8_t> matrix(256, static_cast<std::int8_t>(sign)), codes(256, 127);
    std::vector<std::uint8_t> packed(packed_size(1, 256));
    pack_ternary(matrix, 256, packed);
    std::vector<std::uint16_t> product(1);
    packed_products(packed, 256, codes, 1, product);
    EXPECT_EQ(static_cast<std::int16_t>(product[0]), sign * 256 * 127);
  }
  EXPECT_FALSE(has_packed_products(260));
  EXPECT_FALSE(has_packed_products(30));
}

}  // namespace
}  // namespace bitmar
