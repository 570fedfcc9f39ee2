// A damaged safetensors file: parsing and every float tensor.

#include "hostile_file.h"
#include "io/safetensors.h"
#include "io/test_support.h"

namespace bitmar::testing {
namespace {

bool read_tensors(const Bytes& bytes) {
  const auto file = SafeTensorsFile::parse(bytes, "hostile.safetensors");
  if (!file) {
    EXPECT_TRUE(file.error().message.starts_with("hostile.safetensors: ")) << file.error().message;
    return false;
  }
  std::size_t data = 0;
  for (const auto& tensor : file->tensors()) {
    touch(tensor.bytes);
    data += tensor.bytes.size();
    const auto floats = file->floats(tensor.name, tensor.bytes.size() / data_type_size(tensor.type));
    EXPECT_EQ(floats.has_value(), is_float_type(tensor.type)) << tensor.name;
  }
  EXPECT_LT(data, bytes.size());
  return true;
}

class HostileSafeTensors : public ::testing::Test {
 protected:
  const Bytes valid_ = read_file(golden("official.safetensors"));
};

TEST_F(HostileSafeTensors, CutAtEveryByte) {
  truncate_everywhere(valid_, valid_.size(), read_tensors);
}

TEST_F(HostileSafeTensors, TenThousandBitFlips) {
  const std::size_t header =
      8 + std::to_integer<std::size_t>(valid_[0]) + 256 * std::to_integer<std::size_t>(valid_[1]);
  EXPECT_LT(flip_bits(valid_, header, 9'000, 31, read_tensors), 4'500u);
  EXPECT_GT(flip_bits(valid_, valid_.size(), 1'000, 32, read_tensors), 10u);
}

TEST_F(HostileSafeTensors, ExtremesAtEveryOffset) {
  overwrite_everywhere(valid_, valid_.size(), read_tensors);
}

}  // namespace
}  // namespace bitmar::testing
