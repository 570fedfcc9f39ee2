// GPT-2's byte-level BPE: PCRE2 for the split, our own merges. Ids are GPT-2's: 0..255 the byte symbols in GPT-2's
// order, 256 + i the result of merge i, 50256 <|endoftext|>. So the list of merges is the whole vocabulary.
//
//   BITMAR_TRY(const Tokenizer tokenizer, Tokenizer::from_merges(pairs));
//   const std::vector<TokenId> ids = tokenizer.encode("A dog runs.");
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

using TokenId = std::uint32_t;

// One merge: the ids of its left and right part.
struct MergePair {
  std::uint16_t left;
  std::uint16_t right;
  bool operator==(const MergePair&) const = default;
};

class Tokenizer {
 public:
  // Checks that every part is a byte symbol or the result of an earlier merge, and that no merge occurs twice.
  static Result<Tokenizer> from_merges(std::vector<MergePair> merges);
  // Reads GPT-2's published `merges.txt` (the "#version" line, then "left right" a line).
  static Result<Tokenizer> from_merges_file(const std::string& path);

  [[nodiscard]] std::size_t vocabulary_size() const;  // 256 + merges + 1
  [[nodiscard]] TokenId end_of_text() const;          // the last id
  [[nodiscard]] std::span<const MergePair> merges() const;

  // Any bytes; invalid UTF-8 is encoded byte by byte. "<|endoftext|>" in the text is ordinary text.
  [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const;
  void encode_append(std::string_view text, std::vector<TokenId>& ids) const;
  // The bytes of one token; end_of_text is empty. Ids outside the vocabulary are empty too.
  [[nodiscard]] std::string_view bytes(TokenId id) const;
  [[nodiscard]] std::string decode(std::span<const TokenId> ids) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;  // immutable: copies and threads share it
};

// Decodes a stream: holds back an incomplete UTF-8 sequence until it is complete or cannot become so.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  // Bytes that are ready after this token; invalid UTF-8 comes out as U+FFFD.
  [[nodiscard]] std::string push(TokenId id);
  // What is held back, as U+FFFD if incomplete.
  [[nodiscard]] std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

}  // namespace bitmar
