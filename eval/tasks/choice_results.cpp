#include "eval/tasks/choice_results.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "eval/scoring/choices.h"
#include "eval/statistics/bootstrap.h"
#include "eval/statistics/correlation.h"

namespace bitmar {
namespace {

// The items of a group, in the parts over which its score is a mean of means; one part for a plain mean.
using Parts = std::vector<std::vector<std::size_t>>;

template <typename Value>
std::vector<std::vector<double>> values_of(const Parts& parts, const Value& value) {
  std::vector<std::vector<double>> values;
  for (const auto& part : parts) {
    auto& of_part = values.emplace_back();
    for (const std::size_t item : part) of_part.push_back(value(item));
  }
  return values;
}

class Counter {
 public:
  Counter(const ChoiceSet& set, std::span<const ItemScores> scores, const ChoiceCounting& counting)
      : set_(set), scores_(scores), counting_(counting) {}

  ScoreGroup count(std::string name, const Parts& parts, std::span<const Normalization> normalizations) const {
    ScoreGroup group;
    group.name = std::move(name);
    for (const auto& part : parts) group.items += part.size();
    for (const auto& part : parts) {
      for (const std::size_t item : part) group.ties += prefer(scores_[item], Normalization::kRaw).tied();
    }
    for (const Normalization normalization : normalizations) {
      group.scores.push_back(is_correlation() ? correlation(parts, normalization) : accuracy(parts, normalization));
    }
    return group;
  }

  // Of the first score of the whole set.
  [[nodiscard]] ItemValues values(bool mean_of_parts) const {
    constexpr Normalization kQuoted = kNormalizations[0];
    ItemValues values;
    if (is_correlation()) {  // with what people prefer, of each item
      values.width = 2;
      values.statistic = spearman_of_pairs;
    }
    for (std::size_t item = 0; item < set_.items.size(); ++item) {
      if (is_correlation()) {
        values.values.push_back(probability_of_first(scores_[item], kQuoted));
        values.values.push_back(*set_.items[item].human_ratio);
        continue;
      }
      values.values.push_back(prefer(scores_[item], kQuoted).credit(set_.items[item].gold));
      if (mean_of_parts) values.strata.push_back(set_.items[item].groups.front());
    }
    return values;
  }

  [[nodiscard]] bool is_correlation() const { return set_.items.front().human_ratio.has_value(); }

 private:
  Score accuracy(const Parts& parts, Normalization normalization) const {
    const auto credits = values_of(
        parts, [&](std::size_t item) { return prefer(scores_[item], normalization).credit(set_.items[item].gold); });
    Score score;
    score.metric = accuracy_name(normalization);
    score.value = mean_of_means(credits);
    score.interval = bootstrap_mean_of_means(credits, {.seed = counting_.seed});
    score.chance = mean_of_means(
        values_of(parts, [&](std::size_t item) { return 1.0 / static_cast<double>(set_.items[item].choices.size()); }));
    score.uniform = mean_of_means(values_of(
        parts, [&](std::size_t item) { return prefer(uniform(item), normalization).credit(set_.items[item].gold); }));
    if (counting_.shuffled) score.majority = majority(parts);
    return score;
  }

  // The item as a model scores it to which all tokens are alike.
  ItemScores uniform(std::size_t item) const {
    ItemScores scores = scores_[item];
    for (ContinuationScore& score : scores) score.log_probability = -static_cast<double>(score.tokens);
    return scores;
  }

  // Of always naming the place where the answer stands most often, in all items or in those of the same part.
  double majority(const Parts& parts) const {
    std::map<std::uint32_t, std::map<std::size_t, std::uint64_t>> places;
    std::uint64_t items = 0;
    for (const auto& part : parts) {
      for (const std::size_t item : part) {
        const auto& groups = set_.items[item].groups;
        ++places[counting_.majority_of_parts && !groups.empty() ? groups.front() : 0][set_.items[item].gold];
      }
      items += part.size();
    }
    std::uint64_t right = 0;
    for (const auto& [part, counts] : places) {
      right += std::ranges::max_element(counts, {}, [](const auto& place) { return place.second; })->second;
    }
    return static_cast<double>(right) / static_cast<double>(items);
  }

  // Spearman's rho between the people's and the model's preference for the first choice.
  Score correlation(const Parts& parts, Normalization normalization) const {
    std::vector<double> people;
    std::vector<double> model;
    for (const auto& part : parts) {
      for (const std::size_t item : part) {
        people.push_back(*set_.items[item].human_ratio);
        model.push_back(probability_of_first(scores_[item], normalization));
      }
    }
    Score score;
    score.metric = normalization == Normalization::kRaw ? "spearman" : "spearman_per_token";
    score.value = spearman(model, people);
    score.chance = 0.0;
    std::vector<double> drawn_people(people.size());
    std::vector<double> drawn_model(model.size());
    score.interval = bootstrap(people.size(),
                               [&](std::span<const std::uint32_t> indices) {
                                 for (std::size_t i = 0; i < indices.size(); ++i) {
                                   drawn_people[i] = people[indices[i]];
                                   drawn_model[i] = model[indices[i]];
                                 }
                                 return spearman(drawn_model, drawn_people);
                               },
                               {.seed = counting_.seed});
    return score;
  }

  static double spearman_of_pairs(std::span<const std::uint32_t>, std::span<const double> values) {
    std::vector<double> model, people;
    for (std::size_t i = 0; i < values.size(); i += 2) {
      model.push_back(values[i]);
      people.push_back(values[i + 1]);
    }
    return spearman(model, people);
  }

  const ChoiceSet& set_;
  std::span<const ItemScores> scores_;
  const ChoiceCounting& counting_;
};

}  // namespace

TaskResult count_choices(const ChoiceSet& set, std::span<const ItemScores> scores, const ChoiceCounting& counting) {
  const Counter counter(set, scores, counting);
  std::vector<std::size_t> all(set.items.size());
  Parts groups(set.groups.size());
  Parts units(set.groups.size());  // by the items' first groups
  for (std::size_t item = 0; item < set.items.size(); ++item) {
    all[item] = item;
    const auto& of_item = set.items[item].groups;
    for (const std::uint32_t group : of_item) groups[group].push_back(item);
    if (!of_item.empty()) units[of_item.front()].push_back(item);
  }
  std::erase_if(units, [](const auto& unit) { return unit.empty(); });

  constexpr std::array kOfCorrelation = {Normalization::kRaw, Normalization::kTokens};
  constexpr std::array kOfPart = {Normalization::kRaw};
  const std::span<const Normalization> normalizations =
      counter.is_correlation() ? std::span<const Normalization>(kOfCorrelation) : kNormalizations;
  TaskResult result;
  result.total = counter.count("", counting.mean_of_parts ? units : Parts{all}, normalizations);
  for (std::size_t group = 0; group < groups.size(); ++group) {
    if (!groups[group].empty()) result.parts.push_back(counter.count(set.groups[group], {groups[group]}, kOfPart));
  }
  result.values = counter.values(counting.mean_of_parts);
  return result;
}

}  // namespace bitmar
