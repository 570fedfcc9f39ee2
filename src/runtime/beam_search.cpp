#include "runtime/beam_search.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

#include "runtime/block_maxima.h"
#include "runtime/branches.h"
#include "runtime/exponential_sums.h"

namespace bitmar {
namespace {

struct Candidate {
  double log_probability;
  float logit;
  std::uint32_t parent;
  TokenId token;
};

// Best first; equal ones by the parent's rank, then as greedy search breaks ties.
bool before(const Candidate& a, const Candidate& b) {
  if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
  if (a.parent != b.parent) return a.parent < b.parent;
  if (a.logit != b.logit) return a.logit > b.logit;
  return a.token < b.token;
}

// One search. A step keeps the best `width` candidates that go on, and sets aside those of the best `width` that end.
class Search {
 public:
  // `logits` [1, V]: of the context that is continued.
  Search(const Engine& engine, const BeamOptions& options, std::span<const float> logits)
      : kernels_(engine.kernels()),
        options_(options),
        end_(engine.tokenizer().end_of_text()),
        vocabulary_(engine.config().vocabulary),
        live_(1),
        blocks_(vocabulary_),
        logits_(logits, 1, vocabulary_) {}

  // Chooses the next generation from the logits. Returns whether the search goes on: by the logits of parents() and
  // tokens(), given to set_logits().
  bool advance() {
    collect_candidates();
    choose();
    return ++length_ < options_.maximum_tokens && ended_.size() < options_.width && !live_.empty();
  }
  [[nodiscard]] std::span<const std::uint32_t> parents() const { return parents_; }
  [[nodiscard]] std::span<const TokenId> tokens() const { return tokens_; }
  void set_logits(MatrixView<const float> logits) { logits_ = logits; }

  // What was found, best first.
  std::vector<Hypothesis> finish() {
    // Where too few have ended, those cut off by the length count as they are.
    if (ended_.size() < options_.width) std::ranges::move(live_, std::back_inserter(ended_));
    for (Hypothesis& hypothesis : ended_) {
      const std::size_t length = hypothesis.ids.size() + (hypothesis.ended ? 1 : 0);
      hypothesis.score = hypothesis.log_probability /
                         std::pow(static_cast<double>(std::max<std::size_t>(length, 1)), options_.length_exponent);
    }
    std::ranges::stable_sort(ended_, [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    ended_.resize(std::min(ended_.size(), options_.width));
    return std::move(ended_);
  }

 private:
  // The best 2 * width continuations, sorted: at most `width` of them end, so `width` go on.
  void collect_candidates() {
    const std::size_t wanted = 2 * options_.width;
    candidates_.clear();
    for (std::uint32_t parent = 0; parent < live_.size(); ++parent) {
      const auto logits = logits_.row(parent);
      blocks_.set(kernels_, logits);
      const double base = live_[parent].log_probability - log_sum_exp(kernels_, logits, blocks_.largest());
      const std::span<const float> maxima = blocks_.maxima();
      for (std::size_t block = 0; block < maxima.size(); ++block) {
        const double best = base + double{maxima[block]};
        if (candidates_.size() == wanted && best < candidates_.front().log_probability) continue;
        for (std::size_t row = 0; row < BlockMaxima::kRows; ++row) {
          const std::size_t token = BlockMaxima::element(block, row);
          if (token >= vocabulary_) break;
          consider({base + double{logits[token]}, logits[token], parent, static_cast<TokenId>(token)}, wanted);
        }
      }
    }
    std::ranges::sort_heap(candidates_, before);
  }

  // Keeps the best `wanted` in a heap, the worst of them in front.
  void consider(const Candidate& candidate, std::size_t wanted) {
    if (candidates_.size() == wanted) {
      if (!before(candidate, candidates_.front())) return;
      std::ranges::pop_heap(candidates_, before);
      candidates_.pop_back();
    }
    candidates_.push_back(candidate);
    std::ranges::push_heap(candidates_, before);
  }

  void choose() {
    std::vector<Hypothesis> next;
    parents_.clear();
    tokens_.clear();
    for (std::size_t rank = 0; rank < candidates_.size() && next.size() < options_.width; ++rank) {
      const Candidate& candidate = candidates_[rank];
      Hypothesis hypothesis{live_[candidate.parent].ids, candidate.log_probability, 0, candidate.token == end_};
      if (hypothesis.ended) {
        if (rank < options_.width) ended_.push_back(std::move(hypothesis));
        continue;
      }
      hypothesis.ids.push_back(candidate.token);
      next.push_back(std::move(hypothesis));
      parents_.push_back(candidate.parent);
      tokens_.push_back(candidate.token);
    }
    live_ = std::move(next);
  }

  const Kernels& kernels_;
  const BeamOptions& options_;
  TokenId end_;
  std::size_t vocabulary_;
  std::size_t length_ = 0;  // of the live hypotheses
  std::vector<Hypothesis> live_;
  std::vector<Hypothesis> ended_;
  BlockMaxima blocks_;
  MatrixView<const float> logits_;  // of each live hypothesis
  std::vector<Candidate> candidates_;
  std::vector<std::uint32_t> parents_;
  std::vector<TokenId> tokens_;
};

// Branches of a session; more could never differ.
std::size_t branch_count(const Engine& engine, const BeamOptions& options) {
  return std::min<std::size_t>(options.width, engine.config().vocabulary);
}

// One search a session, a token at a time in all of them.
std::vector<std::vector<Hypothesis>> search(std::span<Session* const> sessions, const BeamOptions& options,
                                            Branches& branches) {
  std::vector<Search> searches;
  searches.reserve(sessions.size());
  for (Session* session : sessions) searches.emplace_back(session->engine(), options, session->logits());
  std::vector<std::size_t> going(sessions.size());
  std::iota(going.begin(), going.end(), std::size_t{0});
  while (true) {
    std::erase_if(going, [&](std::size_t index) { return !searches[index].advance(); });
    if (going.empty()) break;
    for (const std::size_t index : going) branches.add(index, searches[index].parents(), searches[index].tokens());
    const MatrixView<const float> logits = branches.step();
    std::size_t first = 0;
    for (const std::size_t index : going) {
      const std::size_t count = searches[index].tokens().size();
      searches[index].set_logits(logits.slice(first, count));
      first += count;
    }
  }
  std::vector<std::vector<Hypothesis>> found;
  for (Search& each : searches) found.push_back(each.finish());
  return found;
}

Result<void> check_context(const Session& session) {
  if (session.position() > 0) return {};
  return fail(ErrorCode::kInvalidArgument, "beam search continues a context: read at least <|endoftext|> first");
}

}  // namespace

Result<void> BeamOptions::validate() const {
  if (width < 1 || width > 4096) return fail(ErrorCode::kOutOfRange, "beam width is {}; expected 1 to 4096", width);
  if (!(length_exponent >= 0.0f && length_exponent <= 10.0f)) {
    return fail(ErrorCode::kOutOfRange, "length exponent is {}; expected 0 to 10", length_exponent);
  }
  if (maximum_tokens < 1 || maximum_tokens > 65536) {
    return fail(ErrorCode::kOutOfRange, "maximum tokens is {}; expected 1 to 65536", maximum_tokens);
  }
  return {};
}

Result<std::vector<Hypothesis>> beam_search(Session& session, const BeamOptions& options) {
  BITMAR_TRY_VOID(options.validate());
  BITMAR_TRY_VOID(check_context(session));
  Branches branches(session, branch_count(session.engine(), options), options.maximum_tokens);
  return std::move(search(std::vector{&session}, options, branches).front());
}

Result<std::vector<std::vector<Hypothesis>>> beam_search(SessionBatch& batch, std::span<Session* const> sessions,
                                                         const BeamOptions& options) {
  BITMAR_TRY_VOID(options.validate());
  if (sessions.empty()) return fail(ErrorCode::kInvalidArgument, "beam search: no sessions; expected at least one");
  for (const Session* session : sessions) BITMAR_TRY_VOID(check_context(*session));
  Branches branches(batch, sessions, branch_count(batch.engine(), options), options.maximum_tokens);
  return search(sessions, options, branches);
}

}  // namespace bitmar
