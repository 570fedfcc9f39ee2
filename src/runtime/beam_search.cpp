#include "runtime/beam_search.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
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

// log of the sum of exp(logits).
double log_sum_exp(std::span<const float> logits, float largest) {
  return std::log(exponential_sums(logits, {largest, 1.0}, largest).all) + double{largest};
}

// One search. A step keeps the best `width` candidates that go on, and sets aside those of the best `width` that end.
class Search {
 public:
  Search(Session& session, const BeamOptions& options)
      : options_(options),
        end_(session.engine().tokenizer().end_of_text()),
        vocabulary_(session.engine().config().vocabulary),
        branches_(session, std::min<std::size_t>(options.width, vocabulary_), options.maximum_tokens),
        live_(1),
        blocks_(vocabulary_),
        logits_(session.logits(), 1, vocabulary_) {}

  std::vector<Hypothesis> run() {
    for (std::size_t length = 0; length < options_.maximum_tokens && !live_.empty(); ++length) {
      collect_candidates();
      advance(length + 1 < options_.maximum_tokens);
      if (ended_.size() >= options_.width) break;
    }
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
      blocks_.set(logits);
      const double base = live_[parent].log_probability - log_sum_exp(logits, blocks_.largest());
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

  void advance(bool run_model) {
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
    if (run_model && ended_.size() < options_.width && !live_.empty()) logits_ = branches_.step(parents_, tokens_);
  }

  const BeamOptions& options_;
  TokenId end_;
  std::size_t vocabulary_;
  Branches branches_;
  std::vector<Hypothesis> live_;
  std::vector<Hypothesis> ended_;
  BlockMaxima blocks_;
  MatrixView<const float> logits_;  // of each live hypothesis
  std::vector<Candidate> candidates_;
  std::vector<std::uint32_t> parents_;
  std::vector<TokenId> tokens_;
};

std::string trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
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
  if (session.position() == 0) {
    return fail(ErrorCode::kInvalidArgument, "beam search continues a context: read at least <|endoftext|> first");
  }
  return Search(session, options).run();
}

Result<Caption> caption(Session& session, const BeamOptions& options, std::string_view prompt) {
  const Tokenizer& tokenizer = session.engine().tokenizer();
  std::vector<TokenId> tokens{tokenizer.end_of_text()};
  tokenizer.encode_append(prompt, tokens);
  BITMAR_TRY_VOID(options.validate());
  session.reset();
  BITMAR_TRY_VOID(session.prefill(tokens));
  BITMAR_TRY(std::vector<Hypothesis> hypotheses, beam_search(session, options));
  Hypothesis best = std::move(hypotheses.front());
  if (!best.ids.empty()) {
    BITMAR_TRY_VOID(session.prefill(best.ids));
  }
  StreamingDecoder decoder(tokenizer);
  std::string text;
  for (const TokenId id : best.ids) text += decoder.push(id);
  text += decoder.finish();
  return Caption{trim(text), std::move(best.ids), best.log_probability};
}

}  // namespace bitmar
