#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/byte_symbols.h"
#include "text/text_test_support.h"
#include "text/tokenizer.h"

namespace bitmar {
namespace {

using text_detail::kByteSymbols;

const std::string kReplacement = "\uFFFD";

// Bytes as tokens of one byte each, the worst case for whole characters; and one merge of two bytes of a three-byte
// character with what stands before it.
Tokenizer byte_tokenizer() {
  const auto symbol = [](unsigned byte) { return std::uint16_t{kByteSymbols.symbol_of[byte]}; };
  return Tokenizer::from_merges({{symbol('x'), symbol(0xE2)}, {256, symbol(0x82)}}).value();
}

std::string utf8_of(std::uint32_t code) {
  constexpr std::uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  const unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  std::string text;
  text.push_back(static_cast<char>(kLead[more] | (code >> (6 * more))));
  for (unsigned i = more; i-- > 0;) text.push_back(static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F)));
  return text;
}

class StreamingDecoderTest : public ::testing::Test {
 protected:
  std::string push(unsigned byte) { return decoder_.push(kByteSymbols.symbol_of[byte]); }
  // All that comes out of a text, byte by byte, and the end.
  std::string stream(std::string_view text) {
    std::string out;
    for (const char byte : text) out += push(static_cast<unsigned char>(byte));
    return out + decoder_.finish();
  }

  Tokenizer tokenizer_ = byte_tokenizer();
  StreamingDecoder decoder_{tokenizer_};
};

TEST_F(StreamingDecoderTest, HoldsBackUntilACharacterIsWhole) {
  EXPECT_EQ(push('a'), "a");
  EXPECT_EQ(push(0xE2), "");
  EXPECT_EQ(push(0x82), "");
  EXPECT_EQ(push(0xAC), "\u20ac");
  EXPECT_EQ(push(0xF0), "");
  EXPECT_EQ(push(0x9F), "");
  EXPECT_EQ(push(0x98), "");
  EXPECT_EQ(push(0x80), "\U0001f600");
  EXPECT_EQ(decoder_.finish(), "");
}

TEST_F(StreamingDecoderTest, ATokenMayEndInsideACharacter) {
  EXPECT_EQ(decoder_.push(257), "x");  // x E2 82
  EXPECT_EQ(push(0xAC), "\u20ac");
  EXPECT_EQ(decoder_.push(257), "x");
  EXPECT_EQ(decoder_.push(257), kReplacement + "x");
  EXPECT_EQ(decoder_.finish(), kReplacement);
}

TEST_F(StreamingDecoderTest, LetsGoAsSoonAsACharacterCannotBecomeWhole) {
  EXPECT_EQ(push(0xE2), "");
  EXPECT_EQ(push('b'), kReplacement + "b");
  EXPECT_EQ(push(0x80), kReplacement);  // a continuation of nothing
  EXPECT_EQ(push(0xED), "");
  EXPECT_EQ(push(0xA0), kReplacement + kReplacement);  // a surrogate: neither byte begins or continues anything
  EXPECT_EQ(push(0xC0), kReplacement);                 // overlong
  EXPECT_EQ(push(0xFF), kReplacement);
}

TEST_F(StreamingDecoderTest, FinishGivesOneReplacementAndStartsAnew) {
  EXPECT_EQ(push(0xF0), "");
  EXPECT_EQ(push(0x9F), "");
  EXPECT_EQ(decoder_.finish(), kReplacement);
  EXPECT_EQ(decoder_.finish(), "");
  EXPECT_EQ(push('a'), "a");
}

TEST_F(StreamingDecoderTest, TheEndOfTextIsSilent) {
  EXPECT_EQ(decoder_.push(tokenizer_.end_of_text()), "");
  EXPECT_EQ(decoder_.push(100'000), "");
}

TEST_F(StreamingDecoderTest, EveryCharacterComesOutAsItWas) {
  for (std::uint32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 97) {
    if (code >= 0xD800 && code < 0xE000) continue;
    const std::string text = utf8_of(code);
    ASSERT_EQ(stream(text), text) << code;
  }
}

// One U+FFFD for each start of a character that cannot become whole, as Python's decode("utf-8", "replace") has it.
TEST_F(StreamingDecoderTest, ReplacesWhatPythonReplaces) {
  const auto lines = testing::golden_lines("replacements.txt");
  for (const auto& [bytes, text] : lines) {
    ASSERT_EQ(stream(testing::from_hex(bytes)), testing::from_hex(text)) << bytes;
  }
  EXPECT_GT(lines.size(), 300u);
}

TEST(StreamingDecoder, PiecesOfValidTextAreWhatDecodeGives) {
  const Tokenizer tokenizer = testing::gpt2_tokenizer();
  const std::string text =
      "A caf\u00e9 \u4f60\u597d \U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301 \u20ac!\n  \u0e2a\u0e27";
  const std::vector<TokenId> ids = tokenizer.encode(text);
  StreamingDecoder decoder(tokenizer);
  std::string pieces;
  std::size_t held_back = 0;
  for (const TokenId id : ids) {
    const std::string piece = decoder.push(id);
    held_back += piece.empty() ? 1 : 0;
    pieces += piece;
    EXPECT_TRUE(text.starts_with(pieces));
  }
  EXPECT_EQ(decoder.finish(), "");
  EXPECT_EQ(pieces, tokenizer.decode(ids));
  EXPECT_EQ(pieces, text);
  EXPECT_GT(held_back, 0u);
}

}  // namespace
}  // namespace bitmar
