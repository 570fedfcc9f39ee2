// A damaged .npy file: parsing and every row.
#include <string>

#include "hostile_file.h"
#include "io/npy.h"
#include "io/test_support.h"

namespace bitmar::testing {
namespace {

bool read_rows(const Bytes& bytes) {
  const auto file = NpyFile::parse(bytes, "hostile.npy");
  if (!file) {
    EXPECT_TRUE(file.error().message.starts_with("hostile.npy: ")) << file.error().message;
    return false;
  }
  touch(file->bytes());
  EXPECT_LT(file->bytes().size(), bytes.size());
  if (file->shape().empty() || file->elements() == 0) return true;
  std::vector<float> row(static_cast<std::size_t>(file->elements() / file->shape().front()));
  for (std::uint64_t index = 0; index < file->shape().front(); ++index) {
    EXPECT_EQ(file->read_row(index, row).has_value(), is_float_type(file->type()));
  }
  return true;
}

class HostileNpy : public ::testing::TestWithParam<const char*> {
 protected:
  const Bytes valid_ = read_file(golden(GetParam()));
};

TEST_P(HostileNpy, CutAtEveryByte) {
  truncate_everywhere(valid_, valid_.size(), read_rows);
}

TEST_P(HostileNpy, TenThousandBitFlips) {
  const std::size_t accepted = flip_bits(valid_, valid_.size(), 10'000, 41, read_rows);
  EXPECT_GT(accepted, 100u);    // in the data
  EXPECT_LT(accepted, 9'000u);  // in the header
}

TEST_P(HostileNpy, ExtremesAtEveryOffset) {
  overwrite_everywhere(valid_, valid_.size(), read_rows);
}

INSTANTIATE_TEST_SUITE_P(Files, HostileNpy, ::testing::Values("f16_v1.npy", "f32_v2.npy", "f64_3d.npy"),
                         [](const auto& test) { return std::string(test.param).substr(0, 6); });

}  // namespace
}  // namespace bitmar::testing
