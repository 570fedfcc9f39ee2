#include "eval/tasks/choice_run.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace bitmar {
namespace {

// Consecutive items that one thread takes: they tend to share their preamble.
constexpr std::size_t kItemsTogether = 16;

// Collects the scores of groups of items as they come, and passes them on in order.
class Collector {
 public:
  Collector(std::size_t items, const ScoresSink& sink) : scores_(items), ready_(items), sink_(sink) {}

  // False: the run is over, by an error.
  bool add(std::size_t first, std::vector<ItemScores> scores) {
    const std::scoped_lock lock(mutex_);
    if (error_) return false;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores_[first + i] = std::move(scores[i]);
      ready_[first + i] = true;
    }
    const std::size_t begin = passed_;
    while (passed_ < ready_.size() && ready_[passed_]) ++passed_;
    if (passed_ == begin || !sink_) return true;
    if (auto status = sink_(std::span(scores_).subspan(begin, passed_ - begin)); !status) error_ = status.error();
    return !error_;
  }
  void stop(Error error) {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  Result<std::vector<ItemScores>> take() {
    if (error_) return std::unexpected(*std::move(error_));
    return std::move(scores_);
  }

 private:
  std::mutex mutex_;
  std::vector<ItemScores> scores_;
  std::vector<bool> ready_;
  std::size_t passed_ = 0;
  const ScoresSink& sink_;
  std::optional<Error> error_;
};

Result<ItemScores> score_item(ContinuationScorer& scorer, const ChoiceItem& item) {
  BITMAR_TRY_VOID(scorer.set_preamble(item.preamble ? std::string_view(*item.preamble) : std::string_view()));
  auto scores = scorer.score(item.choices);
  if (!scores) return fail(scores.error().code, "item '{}': {}", item.id, scores.error().message);
  return scores;
}

Result<std::vector<ItemScores>> score_group(ContinuationScorer& scorer, std::span<const ChoiceItem> items) {
  std::vector<ItemScores> scores;
  for (const ChoiceItem& item : items) {
    BITMAR_TRY(ItemScores of_item, score_item(scorer, item));
    scores.push_back(std::move(of_item));
  }
  return scores;
}

}  // namespace

Result<std::vector<ItemScores>> score_items(const std::shared_ptr<const Engine>& engine,
                                            std::span<const ChoiceItem> items, const ChoiceRun& run,
                                            const ScoresSink& sink) {
  const std::size_t groups = (items.size() + kItemsTogether - 1) / kItemsTogether;
  const std::size_t threads = std::clamp<std::size_t>(run.threads, 1, std::max<std::size_t>(groups, 1));
  std::vector<Session> sessions;
  while (sessions.size() < threads) {
    BITMAR_TRY(Session session,
               Session::open(engine, {.memory = run.memory ? MemoryMode::kReadOnly : MemoryMode::kOff}));
    sessions.push_back(std::move(session));
  }
  Collector collector(items.size(), sink);
  std::atomic<std::size_t> next = 0;
  const auto work = [&](Session& session) {
    ContinuationScorer scorer(session, run.start);
    for (std::size_t group = next++; group < groups; group = next++) {
      const std::size_t first = group * kItemsTogether;
      auto scores = score_group(scorer, items.subspan(first, std::min(kItemsTogether, items.size() - first)));
      if (!scores) return collector.stop(std::move(scores).error());
      if (!collector.add(first, *std::move(scores))) return;
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 1; i < threads; ++i) workers.emplace_back([&, i] { work(sessions[i]); });
    work(sessions.front());
  }
  return collector.take();
}

}  // namespace bitmar
