// Byte-pair merging: finds the rank of a pair of symbols, and applies merges to a word, lowest rank first and leftmost
// among equals (Sennrich et al. 2016).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace bitmar::text_detail {

inline constexpr std::uint32_t kByteSymbolCount = 256;
// Every id, the end of text included, fits the 16 bits of a MergePair.
inline constexpr std::size_t kMaximumMerges = 65536 - kByteSymbolCount - 1;

class MergeTable {
 public:
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFFu;

  // Merges by rank, at most kMaximumMerges. None of them can be found before it is added.
  explicit MergeTable(std::vector<MergePair> merges);

  [[nodiscard]] std::span<const MergePair> merges() const { return merges_; }
  // Makes the merge of this rank known; false where the same pair is known already.
  [[nodiscard]] bool add(std::size_t rank);

  // The index of the merge of these two symbols, kNoRank where there is none.
  [[nodiscard]] std::uint32_t rank(std::uint32_t left, std::uint32_t right) const {
    const std::uint32_t key = (left << 16) | right;
    for (std::size_t slot = hash(key);; slot = (slot + 1) & mask_) {
      const std::uint16_t rank = slots_[slot];
      if (rank == kEmpty) return kNoRank;
      if (key_of(merges_[rank]) == key) return rank;
    }
  }

  // Appends the tokens of a word given as byte symbols, whose memory it uses as scratch. Linear in the number of merges
  // times the length for short words, O(n log n) for long ones.
  void encode(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const;

 private:
  static constexpr std::uint16_t kEmpty = 0xFFFF;
  static_assert(kMaximumMerges <= kEmpty);

  static std::uint32_t key_of(MergePair pair) { return (std::uint32_t{pair.left} << 16) | pair.right; }
  [[nodiscard]] std::size_t hash(std::uint32_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }
  void encode_short(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const;
  void encode_long(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const;

  std::vector<MergePair> merges_;
  std::vector<std::uint16_t> slots_;  // ranks, by open addressing, at most half full
  std::size_t mask_ = 0;
  unsigned shift_ = 0;
};

}  // namespace bitmar::text_detail
