#include "text/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace bitmar::text_detail {
namespace {

using ::testing::ElementsAre;

class SplitterTest : public ::testing::Test {
 protected:
  std::vector<std::string> words(std::string_view text) {
    splitter_.start(text);
    std::vector<std::string> found;
    for (auto word = splitter_.next(); !word.empty(); word = splitter_.next()) found.emplace_back(word);
    return found;
  }

 private:
  SplitPattern pattern_ = SplitPattern::compile().value();
  Splitter splitter_{pattern_};
};

TEST_F(SplitterTest, CutsLettersDigitsAndMarksWithTheSpaceBefore) {
  EXPECT_THAT(words("A dog runs 24 km!"), ElementsAre("A", " dog", " runs", " 24", " km", "!"));
  EXPECT_THAT(words("a1b22,,c"), ElementsAre("a", "1", "b", "22", ",,", "c"));
  EXPECT_THAT(words("caf\u00e9 \u4f60\u597d"), ElementsAre("caf\u00e9", " \u4f60\u597d"));
  EXPECT_THAT(words("e\u0301"), ElementsAre("e", "\u0301"));  // a combining mark is no letter
  EXPECT_THAT(words(" \U0001f600x"), ElementsAre(" \U0001f600", "x"));
  EXPECT_THAT(words(""), ElementsAre());
}

TEST_F(SplitterTest, CutsContractionsInSmallLettersOnly) {
  EXPECT_THAT(words("it's they're I'm I'd I'll I've can't"),
              ElementsAre("it", "'s", " they", "'re", " I", "'m", " I", "'d", " I", "'ll", " I", "'ve", " can", "'t"));
  EXPECT_THAT(words("IT'S"), ElementsAre("IT", "'", "S"));
  EXPECT_THAT(words("'sun"), ElementsAre("'s", "un"));
  EXPECT_THAT(words(" 's"), ElementsAre(" '", "s"));  // the longer marks come first
}

TEST_F(SplitterTest, LeavesTheLastSpaceOfARunToTheWordAfterIt) {
  EXPECT_THAT(words("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(words("a  "), ElementsAre("a", "  "));
  EXPECT_THAT(words("a\n\nb"), ElementsAre("a", "\n", "\n", "b"));  // only a plain space joins a word
  EXPECT_THAT(words("a \n b"), ElementsAre("a", " \n", " b"));
  EXPECT_THAT(words("\u3000\u3000x"), ElementsAre("\u3000", "\u3000", "x"));
}

TEST_F(SplitterTest, TakesUnicodeAsItIsToday) {
  // U+180E left White_Space in Unicode 6.3: a mark now. U+1E4D0 is a letter since Unicode 15, U+11F50 a digit.
  EXPECT_THAT(words("x\u180ey"), ElementsAre("x", "\u180e", "y"));
  EXPECT_THAT(words("a\U0001e4d0"), ElementsAre("a\U0001e4d0"));
  EXPECT_THAT(words("1\U00011f50"), ElementsAre("1\U00011f50"));
}

TEST_F(SplitterTest, WordsTogetherAreTheText) {
  const std::vector<std::string> characters = {"a",      "Z",      "'",          "s",      "ll",    " ", "\n",
                                               "\t",     "\u00a0", "\u3000",     "7",      ".",     "!", "\u0301",
                                               "\u00e9", "\u4e2d", "\U0001f600", "\u180e", "\u0085"};
  Random random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (auto length = random.below(40); length > 0; --length) text += characters[random.below(characters.size())];
    std::string joined;
    for (const std::string& word : words(text)) joined += word;
    ASSERT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace bitmar::text_detail
