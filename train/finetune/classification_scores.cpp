#include "finetune/classification_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace bitmar {
namespace {

double f1_of_label(const ConfusionMatrix& matrix, std::uint32_t label) {
  const double sum = matrix.gold_count(label) + matrix.predicted_count(label);
  return sum > 0 ? 2.0 * matrix.at(label, label) / sum : 0.0;
}

struct NamedMetric {
  std::string name;
  double (*value)(const ConfusionMatrix&);
};

std::array<NamedMetric, 3> named_metrics(std::uint32_t classes, ClassificationMetric quoted) {
  std::array<NamedMetric, 3> metrics = {
      {{"accuracy", accuracy}, {classes == 2 ? "f1" : "macro_f1", f1}, {"matthews", matthews_correlation}}};
  if (quoted == ClassificationMetric::kF1) std::swap(metrics[0], metrics[1]);
  return metrics;
}

// The gold labels of `matrix` as answered by somebody who gives each answer with `share` [classes].
ConfusionMatrix answered(const ConfusionMatrix& matrix, std::span<const double> share) {
  ConfusionMatrix result(matrix.classes());
  for (std::uint32_t gold = 0; gold < matrix.classes(); ++gold) {
    for (std::uint32_t answer = 0; answer < matrix.classes(); ++answer) {
      result.at(gold, answer) = matrix.gold_count(gold) * share[answer];
    }
  }
  return result;
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::span<const std::uint32_t> gold, std::span<const std::uint32_t> predictions,
                                 std::uint32_t classes)
    : ConfusionMatrix(classes) {
  for (std::size_t i = 0; i < gold.size(); ++i) at(gold[i], predictions[i]) += 1.0;
}

double ConfusionMatrix::items() const {
  return std::accumulate(counts_.begin(), counts_.end(), 0.0);
}

double ConfusionMatrix::gold_count(std::uint32_t label) const {
  double count = 0;
  for (std::uint32_t other = 0; other < classes_; ++other) count += at(label, other);
  return count;
}

double ConfusionMatrix::predicted_count(std::uint32_t label) const {
  double count = 0;
  for (std::uint32_t other = 0; other < classes_; ++other) count += at(other, label);
  return count;
}

double accuracy(const ConfusionMatrix& matrix) {
  double right = 0;
  for (std::uint32_t label = 0; label < matrix.classes(); ++label) right += matrix.at(label, label);
  return right / matrix.items();
}

double f1(const ConfusionMatrix& matrix) {
  if (matrix.classes() == 2) return f1_of_label(matrix, 1);
  double sum = 0;
  for (std::uint32_t label = 0; label < matrix.classes(); ++label) sum += f1_of_label(matrix, label);
  return sum / matrix.classes();
}

double matthews_correlation(const ConfusionMatrix& matrix) {
  const double items = matrix.items();
  double right = 0, products = 0, gold_squares = 0, predicted_squares = 0;
  for (std::uint32_t label = 0; label < matrix.classes(); ++label) {
    const double gold = matrix.gold_count(label), predicted = matrix.predicted_count(label);
    right += matrix.at(label, label);
    products += gold * predicted;
    gold_squares += gold * gold;
    predicted_squares += predicted * predicted;
  }
  const double scale = (items * items - gold_squares) * (items * items - predicted_squares);
  return scale > 0 ? (right * items - products) / std::sqrt(scale) : 0.0;
}

double metric_value(ClassificationMetric metric, const ConfusionMatrix& matrix) {
  return metric == ClassificationMetric::kAccuracy ? accuracy(matrix) : f1(matrix);
}

std::vector<ClassificationScore> classification_scores(std::span<const std::uint32_t> gold,
                                                       std::span<const std::uint32_t> predictions,
                                                       std::uint32_t classes, ClassificationMetric quoted,
                                                       std::uint64_t seed) {
  const ConfusionMatrix matrix(gold, predictions, classes);
  const ConfusionMatrix guessed = answered(matrix, std::vector<double>(classes, 1.0 / classes));
  std::vector<ClassificationScore> scores;
  for (const auto& [name, value] : named_metrics(classes, quoted)) {
    const auto of_resample = [&](std::span<const std::uint32_t> items) {
      ConfusionMatrix drawn(classes);
      for (const std::uint32_t item : items) drawn.at(gold[item], predictions[item]) += 1.0;
      return value(drawn);
    };
    ClassificationScore score{.metric = name,
                              .value = value(matrix),
                              .interval = bootstrap(gold.size(), of_resample, {.seed = seed}),
                              .chance = value(guessed)};
    for (std::uint32_t label = 0; label < classes; ++label) {
      std::vector<double> share(classes, 0.0);
      share[label] = 1.0;
      score.constant = std::max(score.constant, value(answered(matrix, share)));
    }
    scores.push_back(std::move(score));
  }
  return scores;
}

}  // namespace bitmar
