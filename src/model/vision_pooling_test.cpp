#include "model/vision_pooling.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace bitmar {
namespace {

TEST(VisionPooling, CountsOnlyEvenSquareGrids) {
  EXPECT_EQ(pooled_count(256), 64u);
  EXPECT_EQ(pooled_count(196), 49u);
  EXPECT_EQ(pooled_count(4), 1u);
  for (const std::size_t count : {0u, 1u, 2u, 8u, 9u, 49u, 225u, 1369u}) EXPECT_EQ(pooled_count(count), count);
}

TEST(VisionPooling, AveragesTwoByTwoInRasterOrder) {
  // A 4x4 grid of 2-wide features: feature k of cell i is i + 100 k.
  std::vector<float> features;
  for (int cell = 0; cell < 16; ++cell) {
    features.push_back(static_cast<float>(cell));
    features.push_back(static_cast<float>(cell + 100));
  }
  std::vector<float> pooled(4 * 2);
  pool_features({features, 16, 2}, {pooled, 4, 2});
  EXPECT_EQ(pooled, (std::vector<float>{2.5f, 102.5f, 4.5f, 104.5f, 10.5f, 110.5f, 12.5f, 112.5f}));
}

TEST(VisionPooling, CopiesWhatItCannotPool) {
  std::vector<float> features(9 * 3);
  std::iota(features.begin(), features.end(), 0.0f);
  std::vector<float> pooled(9 * 3);
  pool_features({features, 9, 3}, {pooled, 9, 3});
  EXPECT_EQ(pooled, features);
}

}  // namespace
}  // namespace bitmar
