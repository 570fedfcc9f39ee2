#include "apps/benchmark/summary.h"

#include <gtest/gtest.h>

#include <array>

namespace bitmar {
namespace {

TEST(Summary, OfOneSample) {
  const Summary summary = summarize(std::array{7.0});
  EXPECT_EQ(summary.median, 7.0);
  EXPECT_EQ(summary.minimum, 7.0);
  EXPECT_EQ(summary.spread(), 0.0);
}

TEST(Summary, MedianIgnoresOrderAndOutliers) {
  const Summary summary = summarize(std::array{900.0, 5.0, 4.0, 6.0, 4.5});
  EXPECT_EQ(summary.median, 5.0);
  EXPECT_EQ(summary.minimum, 4.0);
  EXPECT_DOUBLE_EQ(summary.spread(), 0.25);
}

TEST(Summary, MedianOfAnEvenNumberIsBetweenTheMiddleTwo) {
  EXPECT_EQ(summarize(std::array{1.0, 10.0, 2.0, 4.0}).median, 3.0);
}

}  // namespace
}  // namespace bitmar
