#include "io/feature_file.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

#include "io/npy.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

bool says(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

class FeatureFileTest : public ::testing::Test {
 protected:
  FeatureFileTest() {
    auto writer = NpyWriter::create(path_, DataType::kF32, {3, 2, 1}, false);
    EXPECT_TRUE(writer);
    for (std::uint64_t row = 0; row < 3; ++row) {
      const auto value = static_cast<float>(row);
      EXPECT_TRUE(writer->write_row(row, std::array{value, row == 2 ? std::numeric_limits<float>::infinity() : value}));
    }
    EXPECT_TRUE(writer->flush());
    write(".txt", "b.jpg\na.jpg\nc.jpg\n");
  }
  void write(const std::string& suffix, std::string_view text) const {
    std::ofstream(path_ + suffix, std::ios::binary) << text;
  }
  std::string error() const {
    const auto file = FeatureFile::open(path_);
    return file ? "" : file.error().message;
  }

  testing::TemporaryFolder folder_;
  std::string path_ = folder_.file("f.npy");
};

TEST_F(FeatureFileTest, FindsRowsByName) {
  const auto file = FeatureFile::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->images(), 3u);
  EXPECT_EQ(file->tokens(), 2u);
  EXPECT_EQ(file->width(), 1u);
  ASSERT_EQ(file->find("a.jpg"), 1u);
  EXPECT_FALSE(file->find("d.jpg"));
  std::array<float, 2> row{};
  ASSERT_TRUE(file->read(1, row));
  EXPECT_EQ(row, (std::array{1.0f, 1.0f}));
}

TEST_F(FeatureFileTest, RefusesValuesThatAreNotFinite) {
  std::array<float, 2> row{};
  const auto read = FeatureFile::open(path_)->read(2, row);
  ASSERT_FALSE(read);
  EXPECT_PRED2(says, read.error().message, "f.npy: row 2 has a value that is not finite");
}

TEST_F(FeatureFileTest, RefusesAFileThatIsNotComplete) {
  write(".json", R"({"complete": 2, "failed": []})");
  EXPECT_PRED2(says, error(), "f.npy: has 2 of 3 rows so far");
  write(".json", R"({"complete": 3, "failed": []})");
  EXPECT_EQ(error(), "");
  for (const char* record : {"", "[]", "{", R"({"complete": -1})", R"({"complete": "3"})"}) {
    write(".json", record);
    EXPECT_PRED2(says, error(), "f.npy.json: not the record of `bitmar features`") << record;
  }
}

TEST_F(FeatureFileTest, PhotosThatCouldNotBeReadHaveNoRow) {
  write(".json", R"({"complete": 3, "failed": ["a.jpg"]})");
  const auto file = FeatureFile::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(file->find("a.jpg"));
  EXPECT_EQ(file->find("b.jpg"), 0u);
}

TEST_F(FeatureFileTest, RefusesNamesThatDoNotFit) {
  write(".txt", "a.jpg\nb.jpg\n");
  EXPECT_PRED2(says, error(), "f.npy.txt: 2 names");
  write(".txt", "a.jpg\nb.jpg\na.jpg\n");
  EXPECT_PRED2(says, error(), "'a.jpg' stands there twice");
}

}  // namespace
}  // namespace bitmar
