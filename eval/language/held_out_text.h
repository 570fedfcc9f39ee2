// The text that perplexity is measured on: the ends of the training files, which training holds out. The trainer keeps
// the last `holdout_tokens` of each text source for validation (docs/training.md), 20,000 or more in every
// configuration here; this takes the last 20,000 of them.
//
//   BITMAR_TRY(const auto texts, read_held_out_texts("data/text", engine->tokenizer(), kHeldOutTokens));
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace bitmar {

inline constexpr std::size_t kHeldOutTokens = 20'000;

// One domain.
struct HeldOutText {
  std::string name;  // the file's, without its extension
  std::vector<TokenId> tokens;
};

// The last `count` tokens of the file (all where it has fewer; count 0: all), its lines stripped and joined by line
// feeds without the blank ones, as the trainer reads it. Reads no more of the file than that takes. kInvalidFile: the
// file has no text.
[[nodiscard]] Result<std::vector<TokenId>> read_last_tokens(const std::string& path, const Tokenizer& tokenizer,
                                                            std::size_t count);

// Of each *.train and *.txt in the folder, by name. kNotFound: there is none.
[[nodiscard]] Result<std::vector<HeldOutText>> read_held_out_texts(const std::string& folder,
                                                                   const Tokenizer& tokenizer, std::size_t count);

}  // namespace bitmar
