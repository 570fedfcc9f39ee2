#include "runtime/branches.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "model/forward.h"

namespace bitmar {

Branches::Tree::Tree(Session& owner, std::size_t count, std::size_t maximum_tokens)
    : session(&owner), place(count), next_place(count), taken(count) {
  const SequenceState& start = *owner.sequence_;
  const CacheShape shape = start.encoder.front().shape().limited_to(start.position + maximum_tokens);
  states.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    states.emplace_back(owner.engine().config(), owner.engine().kernels(), shape);
    states.back().copy_from(start);
  }
  std::iota(place.begin(), place.end(), std::size_t{0});
}

// Finds a state for each branch: a parent's first child takes over its state, further children copy it into states
// that have no child.
void Branches::Tree::place_children(std::span<const std::uint32_t> parents) {
  std::fill(taken.begin(), taken.end(), false);
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  for (std::size_t i = 0; i < parents.size(); ++i) {
    const std::size_t source = place[parents[i]];
    next_place[i] = taken[source] ? kNone : source;
    taken[source] = true;
  }
  std::size_t free = 0;
  for (std::size_t i = 0; i < parents.size(); ++i) {
    if (next_place[i] != kNone) continue;
    while (taken[free]) ++free;
    taken[free] = true;
    states[free].copy_from(states[place[parents[i]]]);
    next_place[i] = free;
  }
  std::swap(place, next_place);
}

Branches::Branches(std::span<Session* const> sessions, std::size_t count, std::size_t maximum_tokens, ThreadPool* pool)
    : model_(sessions.front()->engine().model()),
      pool_(pool),
      workspace_(model_.config, sessions.size() * count, pool == nullptr ? 1 : pool->size()),
      logits_(sessions.size() * count * model_.config.vocabulary) {
  trees_.reserve(sessions.size());
  for (Session* session : sessions) {
    trees_.emplace_back(*session, count, maximum_tokens);
    workspace_.reserve_image(session->context_->tokens());
  }
  rows_.reserve(workspace_.rows());
}

Branches::Branches(Session& session, std::size_t count, std::size_t maximum_tokens)
    : Branches(std::vector{&session}, count, maximum_tokens, session.pool_.get()) {}

Branches::Branches(SessionBatch& batch, std::span<Session* const> sessions, std::size_t count,
                   std::size_t maximum_tokens)
    : Branches(sessions, count, maximum_tokens, batch.pool_.get()) {}

void Branches::add(std::size_t index, std::span<const std::uint32_t> parents, std::span<const TokenId> tokens) {
  Tree& tree = trees_[index];
  assert(parents.size() == tokens.size() && tokens.size() <= tree.states.size());
  tree.place_children(parents);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    rows_.push_back(tree.session->row_of(tokens[i]));
    rows_.back().sequence = &tree.states[tree.place[i]];
  }
}

MatrixView<const float> Branches::step() {
  forward(model_, rows_, workspace_, pool_);
  const std::size_t count = rows_.size();
  const std::size_t vocabulary = model_.config.vocabulary;
  const MatrixView<float> logits{std::span(logits_).first(count * vocabulary), count, vocabulary};
  compute_logits(model_, workspace_, 0, count, logits, pool_);
  rows_.clear();
  return logits;
}

}  // namespace bitmar
