// How a context and its continuation become tokens. The cut follows lm-evaluation-harness 0.4 (`_encode_pair` of its
// api/model.py), so that both score the same tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace bitmar {

// Where <|endoftext|>, with which every training sequence began, stands before the context.
enum class StartToken {
  kEmptyContext,  // where the context is empty: there must be something to predict from (the harness)
  kAlways,        // before every context
};

struct EncodedPair {
  std::vector<TokenId> tokens;   // the context's, then the continuation's
  std::size_t continuation = 0;  // the index of the continuation's first token; at least 1
};

// The context's trailing white space goes to the continuation; both are encoded together and cut after as many tokens
// as the context has alone. The continuation may come out empty where its first token would merge into the context's
// last.
[[nodiscard]] EncodedPair encode_pair(const Tokenizer& tokenizer, std::string_view context,
                                      std::string_view continuation, StartToken start);

// Code points of UTF-8 text, as Python's len() counts them; every byte of invalid UTF-8 that does not continue a
// sequence counts as one.
[[nodiscard]] std::size_t count_characters(std::string_view text);

}  // namespace bitmar
