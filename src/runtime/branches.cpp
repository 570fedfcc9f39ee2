#include "runtime/branches.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "model/forward.h"

namespace bitmar {

Branches::Branches(Session& session, std::size_t count, std::size_t maximum_tokens)
    : session_(session),
      place_(count),
      next_place_(count),
      taken_(count),
      rows_(count),
      workspace_(session.engine().config(), count, session.options().threads),
      logits_(count * session.engine().config().vocabulary) {
  const ModelConfig& config = session.engine().config();
  const CacheShape shape = session.sequence_->encoder.front().shape().limited_to(session.position() + maximum_tokens);
  states_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    states_.emplace_back(config, shape);
    states_.back().copy_from(*session.sequence_);
  }
  std::iota(place_.begin(), place_.end(), std::size_t{0});
  workspace_.reserve_image(session.context_->tokens());
}

// Finds a state for each branch: a parent's first child takes over its state, further children copy it into states
// that have no child.
void Branches::place(std::span<const std::uint32_t> parents) {
  std::fill(taken_.begin(), taken_.end(), false);
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  for (std::size_t i = 0; i < parents.size(); ++i) {
    const std::size_t source = place_[parents[i]];
    next_place_[i] = taken_[source] ? kNone : source;
    taken_[source] = true;
  }
  std::size_t free = 0;
  for (std::size_t i = 0; i < parents.size(); ++i) {
    if (next_place_[i] != kNone) continue;
    while (taken_[free]) ++free;
    taken_[free] = true;
    states_[free].copy_from(states_[place_[parents[i]]]);
    next_place_[i] = free;
  }
  std::swap(place_, next_place_);
}

MatrixView<const float> Branches::step(std::span<const std::uint32_t> parents, std::span<const TokenId> tokens) {
  assert(parents.size() == tokens.size() && tokens.size() <= states_.size());
  place(parents);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    rows_[i] = session_.row_of(tokens[i]);
    rows_[i].sequence = &states_[place_[i]];
  }
  const BitmarModel& model = session_.engine().model();
  forward(model, std::span(rows_).first(tokens.size()), workspace_, session_.pool_.get());
  const std::size_t vocabulary = model.config.vocabulary;
  const MatrixView<float> logits{std::span(logits_).first(tokens.size() * vocabulary), tokens.size(), vocabulary};
  compute_logits(model, workspace_, 0, tokens.size(), logits, session_.pool_.get());
  return logits;
}

}  // namespace bitmar
