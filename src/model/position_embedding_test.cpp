#include "model/position_embedding.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "io/test_support.h"

namespace bitmar {
namespace {

std::vector<float> read_values(std::istream& stream, std::size_t count) {
  std::vector<float> values(count);
  for (float& value : values) stream >> value;
  EXPECT_TRUE(stream);
  return values;
}

TEST(PositionEmbedding, ResamplesAsTorchDoes) {
  std::istringstream file(testing::read_text(BITMAR_SOURCE_DIR "/tests/goldens/model/positions.txt"));
  int grids = 0;
  for (std::string line; std::getline(file, line); ++grids) {
    std::istringstream numbers(line);
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    bool antialias = false;
    numbers >> from >> to >> antialias;
    const std::vector<float> grid = read_values(numbers, std::size_t{2} * from * from);
    const std::vector<float> expected = read_values(numbers, std::size_t{2} * to * to);
    const std::vector<float> result = resample_position_grid(grid, from, to, 2, antialias);
    ASSERT_EQ(result.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(result[i], expected[i], 2e-6f) << from << " to " << to << ", antialias " << antialias << ", " << i;
    }
  }
  EXPECT_EQ(grids, 16);
}

TEST(PositionEmbedding, EqualGridsAreUntouched) {
  const std::vector<float> grid{0.1f, -2.0f, 3.5f, 1e-9f};
  for (const bool antialias : {false, true}) EXPECT_EQ(resample_position_grid(grid, 2, 2, 1, antialias), grid);
}

}  // namespace
}  // namespace bitmar
