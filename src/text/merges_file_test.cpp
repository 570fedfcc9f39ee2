#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "text/tokenizer.h"

namespace bitmar {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class MergesFile : public ::testing::Test {
 protected:
  MergesFile() {
    std::random_device entropy;
    path_ = ::testing::TempDir() + "merges-" + std::to_string(entropy()) + ".txt";
  }
  ~MergesFile() override { std::filesystem::remove(path_); }

  Result<Tokenizer> read(std::string_view contents) const {
    std::ofstream(path_, std::ios::binary) << contents;
    return Tokenizer::from_merges_file(path_);
  }
  // Reading must fail with one sentence that begins with the file's name.
  void expect_error(std::string_view contents, const std::string& expected) const {
    const auto tokenizer = read(contents);
    ASSERT_FALSE(tokenizer) << expected;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidFile);
    EXPECT_THAT(tokenizer.error().message, AllOf(StartsWith(path_ + ": "), HasSubstr(expected)));
  }

  std::string path_;
};

TEST_F(MergesFile, ReadsMergesInTheirOrder) {
  // U+0120 is written for the space.
  const Tokenizer tokenizer = read("#version: 0.2\nd o\ndo g\n\u0120 dog\n").value();
  EXPECT_EQ(tokenizer.vocabulary_size(), 256u + 3 + 1);
  EXPECT_EQ(tokenizer.end_of_text(), 259u);
  EXPECT_EQ(tokenizer.bytes(256), "do");
  EXPECT_EQ(tokenizer.bytes(257), "dog");
  EXPECT_EQ(tokenizer.bytes(258), " dog");
  EXPECT_EQ(tokenizer.bytes(259), "");
  EXPECT_EQ(tokenizer.bytes(260), "");
  EXPECT_THAT(tokenizer.encode("dog dog"), ElementsAre(257, 258));
}

TEST_F(MergesFile, TakesOtherLineEndsAndNoVersion) {
  EXPECT_EQ(read("d o\r\n\r\ndo g\r\n").value().merges().size(), 2u);
  EXPECT_EQ(read("d o\ndo g").value().bytes(257), "dog");
  // '#' is a byte symbol, and only the first line can be the version.
  EXPECT_EQ(read("#version: 0.2\n# #\n").value().bytes(256), "##");
}

TEST_F(MergesFile, ErrorsNameTheLine) {
  expect_error("#version: 0.2\nd o\ndog\n", "line 3: expected two tokens");
  expect_error("d o g\n", "line 1: expected two tokens");
  expect_error("d o\n\n g\n", "line 3: '' is neither");
  expect_error("d \n", "line 1: '' is neither");
  expect_error("d o\ndo ga\n", "line 2: 'ga' is neither");
  expect_error("do g\nd o\n", "line 1: 'do' is neither");  // only a merge above counts
  expect_error("d o\n#version: 0.2\n", "line 2");
  expect_error("d \u20ac\n", "line 1: '\u20ac' is neither");  // no character of the alphabet
  expect_error("d \xC4\n", "line 1");                         // no UTF-8
  expect_error(std::string_view("d o\n\0\0\0\n", 8), "line 2");
}

TEST_F(MergesFile, RefusesWhatHoldsNoMergesOrOneTwice) {
  expect_error("", "holds no merges");
  expect_error("#version: 0.2\n", "holds no merges");
  expect_error("d o\n\na b\nd o\n", "line 4: the merge 'd o' occurs twice");
  EXPECT_EQ(Tokenizer::from_merges_file(path_ + ".not").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(Tokenizer::from_merges_file(path_ + ".not").error().message, HasSubstr(path_ + ".not"));
}

TEST_F(MergesFile, RefusesTokensThatDoubleWithoutEnd) {
  std::string contents;
  std::string token = "a";
  for (int doubling = 0; doubling < 10; ++doubling, token += token) contents += token + " " + token + "\n";
  const auto tokenizer = read(contents);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kOutOfRange);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("1024 bytes"));
}

TEST_F(MergesFile, ThePublishedFileHasGpt2sVocabulary) {
  const Tokenizer tokenizer = Tokenizer::from_merges_file(BITMAR_SOURCE_DIR "/models/gpt2-merges.txt").value();
  EXPECT_EQ(tokenizer.vocabulary_size(), 50257u);
  EXPECT_EQ(tokenizer.end_of_text(), 50256u);
  EXPECT_EQ(tokenizer.bytes(0), "!");
  EXPECT_EQ(tokenizer.bytes(220), " ");
  EXPECT_EQ(tokenizer.bytes(198), "\n");
  EXPECT_EQ(tokenizer.bytes(262), " the");
}

}  // namespace
}  // namespace bitmar
