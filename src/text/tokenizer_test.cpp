#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "text/byte_symbols.h"
#include "text/text_test_support.h"

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using text_detail::kByteSymbols;

const Tokenizer& gpt2() {
  static const Tokenizer tokenizer = testing::gpt2_tokenizer();
  return tokenizer;
}

std::uint16_t symbol(char byte) {
  return kByteSymbols.symbol_of[static_cast<unsigned char>(byte)];
}

// Byte-pair merging as its definition says: join the leftmost pair of the lowest rank until none is left.
std::vector<TokenId> merge_plainly(std::string_view word, std::span<const MergePair> merges) {
  std::vector<TokenId> ids;
  for (const char byte : word) ids.push_back(symbol(byte));
  for (;;) {
    std::size_t best = merges.size();
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best; ++rank) {
        if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1]) best = rank, place = i;
      }
    }
    if (best == merges.size()) return ids;
    ids[place] = static_cast<TokenId>(256 + best);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(Tokenizer, EncodesAsTiktokenDoes) {
  const auto lines = testing::golden_lines("encodings.txt");
  for (const auto& [hex, ids] : lines) {
    const std::string text = testing::from_hex(hex);
    std::istringstream numbers(ids);
    std::vector<TokenId> expected;
    for (TokenId id = 0; numbers >> id;) expected.push_back(id);
    ASSERT_EQ(gpt2().encode(text), expected) << text;
    ASSERT_EQ(gpt2().decode(expected), text);
  }
  EXPECT_GT(lines.size(), 300u);
}

TEST(Tokenizer, DecodesToTheBytesThatItEncoded) {
  for (int first = 0; first < 256; ++first) {
    const std::string one(1, static_cast<char>(first));
    ASSERT_EQ(gpt2().decode(gpt2().encode(one)), one);
    ASSERT_EQ(gpt2().encode(one).size(), 1u);
    for (int second = 0; second < 256; ++second) {
      const std::string two{static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(gpt2().decode(gpt2().encode(two)), two) << first << " " << second;
    }
  }
  Random random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(random.below(200), '\0');
    // Uniform bytes, and bytes near ASCII that merge.
    for (char& byte : bytes) byte = static_cast<char>(random.below(round % 2 == 0 ? 256 : 128));
    ASSERT_EQ(gpt2().decode(gpt2().encode(bytes)), bytes);
  }
}

TEST(Tokenizer, InvalidBytesStandAloneAndDoNotDisturbTheirNeighbours) {
  const auto ids = gpt2().encode("a dog\xFF a dog");
  const auto words = gpt2().encode("a dog");
  ASSERT_EQ(words.size(), 2u);
  EXPECT_THAT(ids, ElementsAre(words[0], words[1], symbol('\xFF'), gpt2().encode(" a")[0], words[1]));
  // A sequence cut short is not merged, though its bytes would merge as part of the whole.
  EXPECT_THAT(gpt2().encode("\xE2\x80"), ElementsAre(symbol('\xE2'), symbol('\x80')));
}

TEST(Tokenizer, AppendsToWhatIsThere) {
  std::vector<TokenId> ids{7};
  gpt2().encode_append("dog", ids);
  gpt2().encode_append("", ids);
  const auto dog = gpt2().encode("dog");
  ASSERT_EQ(dog.size(), 1u);
  EXPECT_THAT(ids, ElementsAre(7u, dog[0]));
  EXPECT_EQ(gpt2().decode(std::vector<TokenId>{gpt2().end_of_text(), dog[0], 123'456}), "dog");
}

// Words around the length at which the merging changes its method, on merges among few symbols, so that many meet.
TEST(Tokenizer, MergesAsTheDefinitionSaysAtEveryLength) {
  Random random(9);
  for (int round = 0; round < 60; ++round) {
    std::vector<MergePair> merges;
    constexpr std::string_view letters = "abc";
    std::vector<std::uint16_t> parts{symbol('a'), symbol('b'), symbol('c')};
    while (merges.size() < 40) {
      const MergePair pair{parts[random.below(parts.size())], parts[random.below(parts.size())]};
      if (std::ranges::find(merges, pair) != merges.end()) continue;
      merges.push_back(pair);
      if (merges.size() < 12) parts.push_back(static_cast<std::uint16_t>(255 + merges.size()));
    }
    const auto tokenizer = Tokenizer::from_merges(merges);
    if (!tokenizer) {  // a token grew beyond the limit
      ASSERT_EQ(tokenizer.error().code, ErrorCode::kOutOfRange);
      continue;
    }
    for (const std::size_t length : {1u, 2u, 3u, 10u, 63u, 64u, 65u, 200u}) {
      std::string word;
      while (word.size() < length) word += letters[random.below(letters.size())];
      ASSERT_EQ(tokenizer->encode(word), merge_plainly(word, merges)) << "round " << round << ", " << word;
    }
    const std::string same(100, 'a');
    ASSERT_EQ(tokenizer->encode(same), merge_plainly(same, merges));
  }
}

TEST(Tokenizer, RefusesMergesThatCannotBe) {
  const auto code = [](std::vector<MergePair> merges) {
    return Tokenizer::from_merges(std::move(merges)).error().code;
  };
  EXPECT_EQ(code({{0, 256}}), ErrorCode::kInvalidFile);  // its own result
  EXPECT_EQ(code({{0, 1}, {257, 0}}), ErrorCode::kInvalidFile);
  EXPECT_EQ(code({{0, 1}, {0, 1}}), ErrorCode::kInvalidFile);
  EXPECT_THAT(Tokenizer::from_merges({{0, 1}, {258, 0}}).error().message, HasSubstr("merge 1"));
  EXPECT_EQ(Tokenizer::from_merges({}).value().vocabulary_size(), 257u);
  EXPECT_EQ(code(std::vector<MergePair>(65536 - 256)), ErrorCode::kOutOfRange);
}

}  // namespace
}  // namespace bitmar
