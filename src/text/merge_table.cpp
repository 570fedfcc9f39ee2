#include "text/merge_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <queue>
#include <utility>

namespace bitmar::text_detail {
namespace {

// Up to here, scanning all pairs for the best one beats a heap.
constexpr std::size_t kShortWord = 64;

// The symbols of a word as a list, so that a merge moves nothing.
struct Node {
  std::uint32_t symbol;
  std::uint32_t rank;  // of the pair that starts here, kNoRank at the end and where the symbol was merged away
  std::size_t previous;
  std::size_t next;
};

struct Candidate {
  std::uint32_t rank;
  std::size_t position;
  // Best first out of a priority queue, which yields its largest.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

}  // namespace

MergeTable::MergeTable(std::vector<MergePair> merges) : merges_(std::move(merges)) {
  assert(merges_.size() <= kMaximumMerges);
  const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(2 * merges_.size(), 2));
  slots_.resize(capacity, kEmpty);
  mask_ = capacity - 1;
  shift_ = 64u - static_cast<unsigned>(std::countr_zero(capacity));
}

bool MergeTable::add(std::size_t rank) {
  const std::uint32_t key = key_of(merges_[rank]);
  std::size_t slot = hash(key);
  for (; slots_[slot] != kEmpty; slot = (slot + 1) & mask_) {
    if (key_of(merges_[slots_[slot]]) == key) return false;
  }
  slots_[slot] = static_cast<std::uint16_t>(rank);
  return true;
}

void MergeTable::encode(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const {
  if (symbols.size() <= kShortWord) {
    encode_short(symbols, ids);
  } else {
    encode_long(symbols, ids);
  }
}

void MergeTable::encode_short(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const {
  std::array<std::uint32_t, kShortWord> ranks;  // ranks[i] is that of the pair (i, i + 1)
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) ranks[i] = rank(symbols[i], symbols[i + 1]);
  while (count > 1) {
    const auto best = std::min_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(count - 1));
    if (*best == kNoRank) break;
    const auto at = static_cast<std::size_t>(best - ranks.begin());
    symbols[at] = kByteSymbolCount + *best;
    --count;
    for (std::size_t i = at + 1; i < count; ++i) symbols[i] = symbols[i + 1];
    for (std::size_t i = at + 1; i + 1 < count; ++i) ranks[i] = ranks[i + 1];
    if (at > 0) ranks[at - 1] = rank(symbols[at - 1], symbols[at]);
    if (at + 1 < count) ranks[at] = rank(symbols[at], symbols[at + 1]);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

void MergeTable::encode_long(std::span<std::uint32_t> symbols, std::vector<TokenId>& ids) const {
  const std::size_t end = symbols.size();
  std::vector<Node> nodes(end);
  std::priority_queue<Candidate> candidates;
  const auto update = [&](std::size_t position) {
    Node& node = nodes[position];
    node.rank = node.next == end ? kNoRank : rank(node.symbol, nodes[node.next].symbol);
    if (node.rank != kNoRank) candidates.push({node.rank, position});
  };
  for (std::size_t i = 0; i < end; ++i) nodes[i] = {symbols[i], kNoRank, i == 0 ? end : i - 1, i + 1};
  for (std::size_t i = 0; i < end; ++i) update(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Node& left = nodes[best.position];
    if (left.rank != best.rank) continue;  // overtaken by a merge beside it
    Node& right = nodes[left.next];
    left.symbol = kByteSymbolCount + best.rank;
    left.next = right.next;
    right.rank = kNoRank;
    if (left.next != end) nodes[left.next].previous = best.position;
    update(best.position);
    if (left.previous != end) update(left.previous);
  }
  for (std::size_t i = 0; i < end; i = nodes[i].next) ids.push_back(nodes[i].symbol);
}

}  // namespace bitmar::text_detail
