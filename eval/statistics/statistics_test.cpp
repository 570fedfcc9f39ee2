#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/random.h"
#include "eval/statistics/bootstrap.h"
#include "eval/statistics/correlation.h"
#include "eval/statistics/least_squares.h"
#include "eval/statistics/paired.h"

namespace bitmar {
namespace {

using Groups = std::vector<std::vector<double>>;

TEST(Bootstrap, IntervalIsThatOfTheNormalApproximation) {
  std::vector<double> values(900, 0.0);
  for (std::size_t i = 0; i < 270; ++i) values[i] = 1.0;
  const double half_width = 1.96 * std::sqrt(0.3 * 0.7 / 900.0);
  const Interval interval = bootstrap_mean_of_means(Groups{values}, {.seed = 3, .resamples = 4000});
  EXPECT_NEAR(interval.low, 0.3 - half_width, 0.15 * half_width);
  EXPECT_NEAR(interval.high, 0.3 + half_width, 0.15 * half_width);
}

ItemValues mean_of(std::vector<double> values) {
  return {.values = std::move(values)};
}

TEST(PairedDifference, KnowsASmallEffectThatPairingShows) {
  // Items differ far more from each other than the two runs do on any of them.
  Random random(4);
  std::vector<double> first, second;
  for (int i = 0; i < 200; ++i) {
    const double item = 10.0 * random.normal();
    first.push_back(item + 0.1 + 0.2 * random.normal());
    second.push_back(item);
  }
  const PairedDifference effect = paired_difference(mean_of(first), mean_of(second), {.seed = 5});
  EXPECT_NEAR(effect.difference, 0.1, 0.05);
  EXPECT_GT(effect.interval.low, 0.0);
  EXPECT_LT(effect.p_value, 0.01);
  const PairedDifference reversed = paired_difference(mean_of(second), mean_of(first), {.seed = 5});
  EXPECT_DOUBLE_EQ(reversed.difference, -effect.difference);
  EXPECT_DOUBLE_EQ(reversed.p_value, effect.p_value);
}

TEST(PairedDifference, EqualRunsDoNotDiffer) {
  const std::vector<double> values = {0.0, 1.0, 1.0, 0.5};
  const PairedDifference effect = paired_difference(mean_of(values), mean_of(values), {});
  EXPECT_EQ(effect.difference, 0.0);
  EXPECT_EQ(effect.p_value, 1.0);
}

// One item more to one side of eight that differ: the exact sign test's p is known.
TEST(PairedDifference, PValueIsThatOfTheSignTest) {
  const std::vector<double> first(8, 1.0);
  const std::vector<double> second(8, 0.0);
  const PairedDifference effect = paired_difference(mean_of(first), mean_of(second), {.seed = 6, .resamples = 100000});
  EXPECT_NEAR(effect.p_value, 2.0 / 256.0, 0.001);
}

// Parts of two and of eight items count alike, and the interval is that of the printed difference.
TEST(PairedDifference, OfAMeanOfPartsIsThatOfTheScores) {
  const std::vector<std::uint32_t> parts = {0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  const ItemValues first{.values = {1, 0, 1, 1, 1, 1, 1, 1, 1, 1}, .strata = parts};
  const ItemValues second{.values = {0, 0, 1, 1, 1, 1, 1, 1, 0, 0}, .strata = parts};
  EXPECT_DOUBLE_EQ(score_of(first), 0.75);
  EXPECT_DOUBLE_EQ(score_of(second), 0.375);
  const PairedDifference effect = paired_difference(first, second, {.seed = 2});
  EXPECT_DOUBLE_EQ(effect.difference, 0.375);
  // The first part gives 0, 0.5 or 1 with 1/4, 1/2, 1/4; the mean over all items would never exceed 0.7.
  EXPECT_NEAR(effect.interval.high, 0.75, 0.1);
  EXPECT_NEAR(effect.interval.low, 0.0, 0.1);
  // Of the 2^3 ways to swap the three items that differ, only all and none put the runs so far apart.
  EXPECT_NEAR(paired_difference(first, second, {.seed = 2, .resamples = 20000}).p_value, 2.0 / 8.0, 0.015);
}

// A statistic that is no mean: perplexity, of losses and tokens.
TEST(PairedDifference, OfAnyStatistic) {
  const auto perplexity = [](std::span<const std::uint32_t> items, std::span<const double> values) {
    return std::exp(ratio_of_sums(items, values));
  };
  const ItemValues first{.width = 2, .values = {6, 2, 4, 2, 9, 3}, .statistic = perplexity};
  const ItemValues second{.width = 2, .values = {4, 2, 4, 2, 6, 3}, .statistic = perplexity};
  const PairedDifference effect = paired_difference(first, second, {.seed = 3});
  EXPECT_DOUBLE_EQ(effect.difference, std::exp(19.0 / 7.0) - std::exp(2.0));
  EXPECT_LE(effect.interval.low, effect.difference);
  EXPECT_GE(effect.interval.high, effect.difference);
  // All three draws of the second item: no difference. All of others: every one the same.
  EXPECT_DOUBLE_EQ(effect.interval.low, 0.0);
  EXPECT_DOUBLE_EQ(effect.interval.high, std::exp(3.0) - std::exp(2.0));
}

TEST(Bootstrap, GenericStatisticGivesTheSameIntervalAsTheMean) {
  Random random(5);
  std::vector<double> values(300);
  for (double& value : values) value = random.normal();
  const Interval mean = bootstrap_mean_of_means(Groups{values}, {.seed = 1, .resamples = 4000});
  const Interval generic = bootstrap(values.size(),
                                     [&](std::span<const std::uint32_t> indices) {
                                       double sum = 0.0;
                                       for (const std::uint32_t index : indices) sum += values[index];
                                       return sum / static_cast<double>(indices.size());
                                     },
                                     {.seed = 2, .resamples = 4000});
  const double width = mean.high - mean.low;
  EXPECT_NEAR(generic.low, mean.low, 0.1 * width);
  EXPECT_NEAR(generic.high, mean.high, 0.1 * width);
}

TEST(Bootstrap, SameSeedSameInterval) {
  const Groups groups = {{0, 1, 1, 0, 1}, {1, 0, 0}};
  const Interval a = bootstrap_mean_of_means(groups, {.seed = 9});
  const Interval b = bootstrap_mean_of_means(groups, {.seed = 9});
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
}

TEST(Bootstrap, GroupsWeighTheSameWhateverTheirSize) {
  const Groups groups = {{1, 1, 1, 1, 1, 1, 1}, {0}};
  EXPECT_EQ(mean_of_means(groups), 0.5);
  const Interval interval = bootstrap_mean_of_means(groups, {});
  EXPECT_EQ(interval.low, 0.5);  // each group is resampled within itself
  EXPECT_EQ(interval.high, 0.5);
}

TEST(Spearman, EqualsScipyWithTies) {
  const std::vector<double> x = {0.2, 0.9, 0.9, 0.4, 0.1, 0.7};
  const std::vector<double> y = {3, 1, 4, 4, -2, 4};
  EXPECT_NEAR(spearman(x, y), 0.4312287725435882, 1e-14);
}

TEST(Spearman, OrderIsAllThatCounts) {
  const std::vector<double> x = {1, 5, 2, 9, 3};
  std::vector<double> y;
  for (const double value : x) y.push_back(std::exp(value));
  EXPECT_NEAR(spearman(x, y), 1.0, 1e-14);
  for (double& value : y) value = -value;
  EXPECT_NEAR(spearman(x, y), -1.0, 1e-14);
}

TEST(Spearman, NoOrderIsNoCorrelation) {
  const std::vector<double> varied = {1, 2, 3};
  const std::vector<double> constant = {4, 4, 4};
  EXPECT_EQ(spearman(varied, constant), 0.0);
  EXPECT_EQ(spearman({}, {}), 0.0);
  EXPECT_EQ(spearman(std::span(varied).first(1), std::span(constant).first(1)), 0.0);
}

TEST(LeastSquares, OneColumnByHand) {
  // Sums of squares and products about the means: x 5, y 8.75, both 5.5.
  const std::vector<double> x = {1, 2, 3, 4};
  const std::vector<double> y = {1, 3, 2, 5};
  const ExplainedVariance explained = explained_variance(Groups{x}, y);
  EXPECT_EQ(explained.without_last, 0.0);
  EXPECT_NEAR(explained.with_last, 5.5 * 5.5 / (5 * 8.75), 1e-14);
  EXPECT_NEAR(explained_variance(Groups{x, y}, y).with_last, 1.0, 1e-14);
  EXPECT_EQ(explained_variance(Groups{x}, std::vector<double>(4, 2.0)).with_last, 0.0);
}

TEST(LeastSquares, EqualsNumpy) {
  std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/statistics/least_squares.json");
  const auto golden = nlohmann::json::parse(file)["cases"];
  ASSERT_EQ(golden.size(), 4u);
  for (const auto& one : golden) {
    auto columns = one["columns"].get<Groups>();
    const auto y = one["y"].get<std::vector<double>>();
    for (const bool standardized : {false, true}) {
      if (standardized) {
        for (auto& column : columns) standardize(column);
      }
      const ExplainedVariance explained = explained_variance(columns, y);
      EXPECT_NEAR(explained.without_last, one["without_last"].get<double>(), 1e-10);
      EXPECT_NEAR(explained.with_last, one["with_last"].get<double>(), 1e-10);
    }
  }
}

TEST(LeastSquares, StandardizeIsMeanZeroAndDeviationOne) {
  std::vector<double> values = {1, 3};
  standardize(values);
  EXPECT_EQ(values, (std::vector<double>{-1, 1}));
  std::vector<double> constant = {4, 4};
  standardize(constant);
  EXPECT_EQ(constant, (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace bitmar
