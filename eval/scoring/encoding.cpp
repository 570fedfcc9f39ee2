#include "eval/scoring/encoding.h"

#include <algorithm>
#include <array>
#include <string>

namespace bitmar {
namespace {

// White space as Python's str.rstrip() sees it, in UTF-8.
constexpr std::array<std::string_view, 29> kBlanks = {
    " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",   "\x1e",   "\x1f",
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

std::string_view without_trailing_blanks(std::string_view text) {
  for (;;) {
    const auto blank =
        std::ranges::find_if(kBlanks, [&](std::string_view candidate) { return text.ends_with(candidate); });
    if (blank == kBlanks.end()) return text;
    text.remove_suffix(blank->size());
  }
}

}  // namespace

EncodedPair encode_pair(const Tokenizer& tokenizer, std::string_view context, std::string_view continuation,
                        StartToken start) {
  const std::string_view stripped = without_trailing_blanks(context);
  const std::string whole = std::string(context) + std::string(continuation);
  EncodedPair pair;
  if (stripped.empty() || start == StartToken::kAlways) pair.tokens.push_back(tokenizer.end_of_text());
  const std::size_t start_tokens = pair.tokens.size();
  tokenizer.encode_append(whole, pair.tokens);
  pair.continuation = start_tokens + tokenizer.encode(stripped).size();
  pair.continuation = std::min(pair.continuation, pair.tokens.size());
  return pair;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0u) != 0x80u; }));
}

}  // namespace bitmar
