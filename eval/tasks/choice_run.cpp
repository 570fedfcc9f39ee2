#include "eval/tasks/choice_run.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace bitmar {
namespace {

// Consecutive items that one thread takes: they tend to share their preamble.
constexpr std::size_t kItemsTogether = 16;

// One thread's: a session, and where items have images, what reads them.
class ItemScorer {
 public:
  static Result<ItemScorer> open(const std::shared_ptr<const Engine>& engine, const ChoiceRun& run) {
    BITMAR_TRY(Session session,
               Session::open(engine, {.memory = run.memory ? MemoryMode::kReadOnly : MemoryMode::kOff}));
    ItemScorer scorer(std::move(session), run.start);
    if (run.images != nullptr) {
      BITMAR_TRY(scorer.reader_, ImageReader::open(*run.images, *engine));
    }
    return scorer;
  }

  Result<std::vector<ItemScores>> score(std::span<const ChoiceItem> items) {
    std::vector<ItemScores> scores;
    for (const ChoiceItem& item : items) {
      auto of_item = score(item);
      if (!of_item) return fail(of_item.error().code, "item '{}': {}", item.id, of_item.error().message);
      scores.push_back(*std::move(of_item));
    }
    return scores;
  }

 private:
  ItemScorer(Session session, StartToken start)
      : session_(std::make_unique<Session>(std::move(session))), scorer_(*session_, start) {}

  Result<ItemScores> score(const ChoiceItem& item) {
    BITMAR_TRY_VOID(scorer_.set_preamble(item.preamble ? std::string_view(*item.preamble) : std::string_view()));
    if (!reader_ || item.images.empty()) return scorer_.score(item.choices);
    if (item.images.size() == 1) {
      BITMAR_TRY_VOID(show(item.images.front()));
      return scorer_.score(item.choices);
    }
    ItemScores scores;
    for (std::size_t i = 0; i < item.choices.size(); ++i) {
      BITMAR_TRY_VOID(show(item.images[i]));
      BITMAR_TRY(const ItemScores of_choice, scorer_.score({&item.choices[i], 1}));
      scores.push_back(of_choice.front());
    }
    return scores;
  }
  Result<void> show(const std::string& image) {
    if (image == shown_) return {};
    BITMAR_TRY(const ImageFeatures features, reader_->read(image));
    BITMAR_TRY_VOID(session_->set_features(features.view()));
    shown_ = image;
    return {};
  }

  std::unique_ptr<Session> session_;  // of which scorer_ keeps the address
  ContinuationScorer scorer_;
  std::optional<ImageReader> reader_;
  std::string shown_;
};

}  // namespace

Result<std::vector<ItemScores>> score_items(const std::shared_ptr<const Engine>& engine,
                                            std::span<const ChoiceItem> items, const ChoiceRun& run,
                                            const ValueSink<ItemScores>& sink) {
  const std::size_t groups = (items.size() + kItemsTogether - 1) / kItemsTogether;
  const std::size_t threads = worker_count(run.threads, groups);
  std::vector<ItemScorer> scorers;
  while (scorers.size() < threads) {
    BITMAR_TRY(ItemScorer scorer, ItemScorer::open(engine, run));
    scorers.push_back(std::move(scorer));
  }
  const auto work = [&](ItemScorer& scorer, std::size_t first, std::size_t count) {
    return scorer.score(items.subspan(first, count));
  };
  return measure_in_order<ItemScores>(std::span(scorers), items.size(), kItemsTogether, work, sink);
}

}  // namespace bitmar
