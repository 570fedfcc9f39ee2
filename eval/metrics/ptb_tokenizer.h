// Penn Treebank tokenization of captions, as the COCO caption evaluation does it before every metric: the Stanford
// tokenizer (CoreNLP 3.4.1, -lowerCase) with the punctuation tokens dropped. The rules here are those that captions
// exercise; docs/evaluation.md tells how closely they agree with the original on 201,105 captions.
//
//   BITMAR_TRY(const PtbTokenizer tokenizer, PtbTokenizer::create());
//   tokenizer.tokenize("A dog's ball isn't round.");   // a dog 's ball is n't round
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

class PtbTokenizer {
 public:
  // Compiles the patterns; fails only where PCRE2 itself does.
  static Result<PtbTokenizer> create();

  // Lower-cased tokens without punctuation. Any bytes are accepted; invalid UTF-8 is taken byte by byte.
  [[nodiscard]] std::vector<std::string> tokenize(std::string_view caption) const;

 private:
  struct State;
  explicit PtbTokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace bitmar
