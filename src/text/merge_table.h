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

class MergeTable {
 public:
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFFu;

  // Room for so many merges.
  explicit MergeTable(std::size_t merges);

  // Gives a pair its rank; false where it has one.
  [[nodiscard]] bool insert(MergePair pair, std::uint32_t rank);

  // The index of the merge of these two symbols, kNoRank where there is none.
  [[nodiscard]] std::uint32_t rank(std::uint32_t left, std::uint32_t right) const {
    const std::uint32_t key = (left << 16) | right;
    for (std::size_t slot = hash(key);; slot = (slot + 1) & mask_) {
      const Slot& entry = slots_[slot];
      if (entry.rank == kNoRank || entry.key == key) return entry.rank;
    }
  }

  // Appends the tokens of a word given as byte symbols, whose memory it uses as scratch. Linear in the number of merges
  // times the length for short words, O(n log n) for long ones.
  void encode(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const;

 private:
  struct Slot {
    std::uint32_t key = 0;
    std::uint32_t rank = kNoRank;  // kNoRank: empty
  };

  [[nodiscard]] std::size_t hash(std::uint32_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }
  void encode_short(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const;
  void encode_long(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const;

  std::vector<Slot> slots_;  // open addressing, at most half full
  std::size_t mask_ = 0;
  unsigned shift_ = 0;
};

}  // namespace bitmar::text_detail
