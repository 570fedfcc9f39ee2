#include "eval/language/held_out_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "runtime/engine.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class HeldOutTexts : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("bitmar_held_out_{}", ::getpid());
  std::shared_ptr<const Engine> engine_ = testing::random_engine(testing::small_config(), 1);
  const Tokenizer& tokenizer_ = engine_->tokenizer();
};

TEST_F(HeldOutTexts, AreTheEndOfTheTextThatTheTrainerReads) {
  std::string text;
  std::string joined;
  for (int line = 0; line < 4000; ++line) {
    const std::string words = fmt::format("line {} of abc ab, of {}", line, line * line);
    text += fmt::format("  {}\t\r\n{}", words, line % 3 == 0 ? "\n \n" : "");
    joined += (line == 0 ? "" : "\n") + words;
  }
  const std::string path = write("a.train", text);
  const std::vector<TokenId> whole = tokenizer_.encode(joined);
  EXPECT_EQ(*read_last_tokens(path, tokenizer_, 0), whole);
  EXPECT_EQ(*read_last_tokens(path, tokenizer_, whole.size() + 5), whole);
  for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{5000}, whole.size() - 1}) {
    const std::vector<TokenId> expected(whole.end() - static_cast<std::ptrdiff_t>(count), whole.end());
    EXPECT_EQ(*read_last_tokens(path, tokenizer_, count), expected) << count;
  }
}

TEST_F(HeldOutTexts, ComeFromEveryFileByName) {
  write("b.train", "second file");
  write("a.txt", "first file");
  write("c.jsonl", "no text");
  const auto texts = read_held_out_texts(folder_.string(), tokenizer_, 4);
  ASSERT_TRUE(texts) << texts.error().message;
  ASSERT_EQ(texts->size(), 2u);
  EXPECT_EQ((*texts)[0].name, "a");
  EXPECT_EQ((*texts)[1].name, "b");
  EXPECT_EQ(tokenizer_.decode((*texts)[1].tokens), "file");
}

TEST_F(HeldOutTexts, MissingAndEmptyOnesAreErrors) {
  EXPECT_THAT(read_held_out_texts(folder_.string(), tokenizer_, 4).error().message, HasSubstr("no .train or .txt"));
  const std::string path = write("a.txt", "\n \n");
  EXPECT_THAT(read_held_out_texts(folder_.string(), tokenizer_, 4).error().message, HasSubstr("a.txt: has no text"));
  EXPECT_THAT(read_last_tokens(path + "x", tokenizer_, 4).error().message, HasSubstr("a.txtx"));
}

}  // namespace
}  // namespace bitmar
