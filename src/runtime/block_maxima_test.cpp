#include "runtime/block_maxima.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/random.h"
#include "kernels/test_support.h"

namespace bitmar {
namespace {

class BlockMaximaTest : public ::testing::TestWithParam<const Kernels*> {};

TEST_P(BlockMaximaTest, EveryElementIsInOneBlockAndBelowItsMaximum) {
  Random random(1);
  for (const std::size_t count : {1u, 31u, 32u, 33u, 1023u, 1024u, 1025u, 2080u, 50257u}) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(random.normal()) - 5.0f;
    BlockMaxima blocks(count);
    blocks.set(*GetParam(), values);
    EXPECT_EQ(blocks.largest(), *std::ranges::max_element(values));
    std::vector<int> seen(count);
    for (std::size_t block = 0; block < blocks.maxima().size(); ++block) {
      float largest = -std::numeric_limits<float>::infinity();
      for (std::size_t row = 0; row < BlockMaxima::kRows; ++row) {
        const std::size_t index = BlockMaxima::element(block, row);
        if (index >= count) continue;
        ++seen[index];
        largest = std::max(largest, values[index]);
      }
      ASSERT_EQ(blocks.maxima()[block], largest) << count << ", block " << block;
    }
    EXPECT_TRUE(std::ranges::all_of(seen, [](int times) { return times == 1; })) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, BlockMaximaTest,
                         ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()), isa_test_name);

}  // namespace
}  // namespace bitmar
