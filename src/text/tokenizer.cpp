#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "text/byte_symbols.h"
#include "text/merge_table.h"
#include "text/splitter.h"
#include "text/utf8.h"

namespace bitmar {
namespace {

using namespace text_detail;

// A list of merges can double a token's length at every step; GPT-2's longest token has 128 bytes.
constexpr std::size_t kMaximumTokenBytes = 512;

}  // namespace

struct Tokenizer::State {
  MergeTable table;
  SplitPattern pattern;
  std::string token_bytes;                  // of all tokens, one after the other
  std::vector<std::uint32_t> token_offset;  // [vocabulary], token i ends where i + 1 begins; the end of text is empty

  void encode_word(std::string_view word, std::vector<std::uint32_t>& symbols, std::vector<TokenId>& ids) const {
    symbols.clear();
    for (const char byte : word) symbols.push_back(kByteSymbols.symbol_of[static_cast<std::uint8_t>(byte)]);
    table.encode(symbols, ids);
  }
};

Result<Tokenizer> Tokenizer::from_merges(std::vector<MergePair> merges) {
  if (merges.size() > kMaximumMerges) {
    return fail(ErrorCode::kOutOfRange, "tokenizer: {} merges, at most {} are supported", merges.size(),
                kMaximumMerges);
  }
  std::string bytes(kByteSymbols.byte_of.begin(), kByteSymbols.byte_of.end());
  std::vector<std::uint32_t> offsets(kByteSymbolCount + 1);
  for (std::uint32_t i = 0; i <= kByteSymbolCount; ++i) offsets[i] = i;
  MergeTable table(std::move(merges));
  offsets.reserve(table.merges().size() + kByteSymbolCount + 1);
  for (std::size_t index = 0; index < table.merges().size(); ++index) {
    const auto [left, right] = table.merges()[index];
    const std::size_t known = kByteSymbolCount + index;
    if (left >= known || right >= known) {
      return fail(ErrorCode::kInvalidFile,
                  "tokenizer: merge {} joins tokens {} and {}, expected byte symbols or earlier merges (below {})",
                  index, left, right, known);
    }
    if (!table.add(index)) {
      return fail(ErrorCode::kInvalidFile, "tokenizer: merge {} of tokens {} and {} occurs twice", index, left, right);
    }
    const std::size_t left_size = offsets[left + 1u] - offsets[left];
    const std::size_t right_size = offsets[right + 1u] - offsets[right];
    if (left_size + right_size > kMaximumTokenBytes) {
      return fail(ErrorCode::kOutOfRange, "tokenizer: merge {} makes a token of {} bytes, at most {} are supported",
                  index, left_size + right_size, kMaximumTokenBytes);
    }
    bytes.append(bytes, offsets[left], left_size).append(bytes, offsets[right], right_size);
    offsets.push_back(static_cast<std::uint32_t>(bytes.size()));
  }
  BITMAR_TRY(auto pattern, SplitPattern::compile());
  Tokenizer tokenizer;
  tokenizer.state_ =
      std::make_shared<const State>(State{std::move(table), std::move(pattern), std::move(bytes), std::move(offsets)});
  return tokenizer;
}

std::size_t Tokenizer::vocabulary_size() const {
  return kByteSymbolCount + state_->table.merges().size() + 1;
}
TokenId Tokenizer::end_of_text() const {
  return static_cast<TokenId>(vocabulary_size() - 1);
}
std::span<const MergePair> Tokenizer::merges() const {
  return state_->table.merges();
}

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  encode_append(text, ids);
  return ids;
}

void Tokenizer::encode_append(std::string_view text, std::vector<TokenId>& ids) const {
  Splitter splitter(state_->pattern);
  std::vector<std::uint32_t> symbols;
  while (!text.empty()) {
    const std::size_t valid = valid_utf8_length(text);
    splitter.start(text.substr(0, valid));
    for (auto word = splitter.next(); !word.empty(); word = splitter.next()) state_->encode_word(word, symbols, ids);
    text.remove_prefix(valid);
    if (text.empty()) break;
    const std::size_t invalid = next_utf8(text).length;
    for (const char byte : text.substr(0, invalid)) {
      ids.push_back(kByteSymbols.symbol_of[static_cast<std::uint8_t>(byte)]);
    }
    text.remove_prefix(invalid);
  }
}

std::string_view Tokenizer::bytes(TokenId id) const {
  const std::vector<std::uint32_t>& offset = state_->token_offset;
  if (id + std::size_t{1} >= offset.size()) return {};
  return std::string_view(state_->token_bytes).substr(offset[id], offset[id + 1] - offset[id]);
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) text += bytes(id);
  return text;
}

}  // namespace bitmar
