// Accuracy, F1 and Matthews' correlation of a classifier, each beside what knowing nothing would score.
//
//   const auto scores = classification_scores(gold, predictions, 2, ClassificationMetric::kF1, 1);
//   scores[0];   // F1 first: value, interval, chance, constant
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/statistics/bootstrap.h"
#include "finetune/classification_task.h"

namespace bitmar {

// Items by gold label (row) and prediction (column). Counts may be fractions: expectations.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::uint32_t classes) : classes_(classes), counts_(std::size_t{classes} * classes) {}
  // gold and predictions [items], below `classes`.
  ConfusionMatrix(std::span<const std::uint32_t> gold, std::span<const std::uint32_t> predictions,
                  std::uint32_t classes);

  double& at(std::uint32_t gold, std::uint32_t prediction) {
    return counts_[std::size_t{gold} * classes_ + prediction];
  }
  [[nodiscard]] double at(std::uint32_t gold, std::uint32_t prediction) const {
    return counts_[std::size_t{gold} * classes_ + prediction];
  }
  [[nodiscard]] std::uint32_t classes() const { return classes_; }
  [[nodiscard]] double items() const;
  [[nodiscard]] double gold_count(std::uint32_t label) const;
  [[nodiscard]] double predicted_count(std::uint32_t label) const;

 private:
  std::uint32_t classes_;
  std::vector<double> counts_;
};

// As scikit-learn computes them. F1 is of label 1 where there are two classes, else the mean over the classes; where
// nothing is predicted and nothing is to be found it is 0. Matthews (multi-class: Gorodkin 2004) is 0 where one of the
// two is constant.
[[nodiscard]] double accuracy(const ConfusionMatrix& matrix);
[[nodiscard]] double f1(const ConfusionMatrix& matrix);
[[nodiscard]] double matthews_correlation(const ConfusionMatrix& matrix);
[[nodiscard]] double metric_value(ClassificationMetric metric, const ConfusionMatrix& matrix);

struct ClassificationScore {
  std::string metric;  // "accuracy"; "f1" or "macro_f1"; "matthews"
  double value = 0;
  Interval interval;    // bootstrap over the items
  double chance = 0;    // of guessing uniformly: the score of the expected confusion matrix
  double constant = 0;  // of the one answer that scores best when always given; accuracy: the majority class
};

// All three, the quoted one first. gold and predictions [items], at least one.
[[nodiscard]] std::vector<ClassificationScore> classification_scores(std::span<const std::uint32_t> gold,
                                                                     std::span<const std::uint32_t> predictions,
                                                                     std::uint32_t classes, ClassificationMetric quoted,
                                                                     std::uint64_t seed);

}  // namespace bitmar
