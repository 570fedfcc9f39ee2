#include "text/caption_text.h"

#include <gtest/gtest.h>

namespace bitmar {
namespace {

std::string clean(std::string_view text) {
  return normalise_caption(text, {});
}

TEST(CaptionText, JoinsTokenisedPunctuation) {
  EXPECT_EQ(clean("A child , in a pink dress , climbs ."), "A child, in a pink dress, climbs.");
  EXPECT_EQ(clean("Two dogs ( one brown ) do n't run !"), "Two dogs (one brown) don't run!");
  EXPECT_EQ(clean("The dog 's ball -LRB- red -RRB- ."), "The dog's ball (red).");
  EXPECT_EQ(clean("`` Stop '' says a sign ."), "\"Stop\" says a sign.");
}

TEST(CaptionText, PairsLoneQuotesOnlyWhenBalanced) {
  EXPECT_EQ(clean("a \" happy \" sign"), "a \"happy\" sign.");
  EXPECT_EQ(clean("a 5 \" screen"), "a 5 \" screen.");
}

TEST(CaptionText, CollapsesWhiteSpaceAndKeepsCase) {
  EXPECT_EQ(clean("  a\tTall \xC2\xA0 man\r\n"), "a Tall man.");
}

TEST(CaptionText, EndsWithOneStop) {
  EXPECT_EQ(clean("A dog runs"), "A dog runs.");
  EXPECT_EQ(clean("A dog runs ,"), "A dog runs.");
  EXPECT_EQ(clean("Is it a dog ?"), "Is it a dog?");
  EXPECT_EQ(clean("He says \"hi.\""), "He says \"hi.\"");
  EXPECT_EQ(clean("ein Caf\xC3\xA9"), "ein Caf\xC3\xA9.");
}

TEST(CaptionText, IsEmptyWithoutWords) {
  EXPECT_EQ(clean(""), "");
  EXPECT_EQ(clean("  . "), "");
}

TEST(CaptionText, OptionsTurnBothStepsOff) {
  const CaptionTextOptions off{.detokenise = false, .final_stop = false};
  EXPECT_EQ(normalise_caption("A dog ,  running ", off), "A dog , running");
}

TEST(CaptionText, IsIdempotent) {
  for (const std::string_view text : {"A \" b \" , c 's ( d ) -", "``  x '' y", "A dog."}) {
    EXPECT_EQ(clean(clean(text)), clean(text));
  }
}

}  // namespace
}  // namespace bitmar
