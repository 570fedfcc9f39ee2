#include "eval/tasks/choice_results.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace bitmar {
namespace {

// Items of two to four choices in parts of unequal size, and their scores by a model that draws them.
struct Drawn {
  ChoiceSet set;
  std::vector<ItemScores> scores;
};

Drawn draw(std::uint64_t seed, std::size_t items) {
  Random random(seed);
  Drawn drawn;
  for (std::size_t i = 0; i < items; ++i) {
    ChoiceItem& item = drawn.set.items.emplace_back();
    item.id = fmt::format("{}", i);
    item.choices.resize(2 + random.below(3));
    item.gold = random.below(item.choices.size());
    item.groups = {drawn.set.group(i % 4 == 0 ? "rare" : "frequent")};
    ItemScores& scores = drawn.scores.emplace_back();
    for (std::size_t choice = 0; choice < item.choices.size(); ++choice) {
      const std::uint64_t tokens = 1 + random.below(5);
      scores.push_back({.log_probability = -10.0 * random.uniform() * static_cast<double>(tokens),
                        .tokens = tokens,
                        .bytes = 4 * tokens,
                        .characters = 3 * tokens});
    }
  }
  return drawn;
}

// Of 200 intervals about nine in ten or more hold the chance; were they twice too narrow, two in three would.
TEST(ChoiceResults, IntervalsOfARandomModelHoldChance) {
  for (const bool mean_of_parts : {false, true}) {
    int held = 0;
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      const Drawn drawn = draw(seed, 120);
      const TaskResult result = count_choices(drawn.set, drawn.scores, {.mean_of_parts = mean_of_parts, .seed = seed});
      const Score& per_token = result.total.scores[1];
      ASSERT_EQ(per_token.metric, "accuracy_per_token");
      held += per_token.interval->low <= *per_token.chance && *per_token.chance <= per_token.interval->high;
      sum += per_token.value - *per_token.chance;
    }
    EXPECT_GE(held, 180) << mean_of_parts;
    EXPECT_LT(held, 200) << mean_of_parts;
    EXPECT_NEAR(sum / 200, 0.0, 0.012) << mean_of_parts;  // three standard errors
  }
}

TEST(ChoiceResults, UniformIsTheScoreOfAModelToWhichAllTokensAreAlike) {
  Drawn drawn = draw(5, 60);
  for (ItemScores& item : drawn.scores) {
    for (ContinuationScore& score : item) score.log_probability = -std::log(257.0) * static_cast<double>(score.tokens);
  }
  const TaskResult result = count_choices(drawn.set, drawn.scores, {.mean_of_parts = true});
  for (const Score& score : result.total.scores) EXPECT_DOUBLE_EQ(score.value, *score.uniform) << score.metric;
  const Score& raw = result.total.scores[0];
  EXPECT_NE(*raw.uniform, *raw.chance);  // the shortest answer is not a guess
  EXPECT_DOUBLE_EQ(*result.total.scores[1].uniform, *result.total.scores[1].chance);
}

TEST(ChoiceResults, ItemsValuesGiveTheScore) {
  for (const bool mean_of_parts : {false, true}) {
    const Drawn drawn = draw(7, 80);
    const TaskResult result = count_choices(drawn.set, drawn.scores, {.mean_of_parts = mean_of_parts});
    EXPECT_DOUBLE_EQ(score_of(result.values), result.total.scores[0].value);
  }
  Drawn people = draw(8, 50);
  Random random(9);
  for (ChoiceItem& item : people.set.items) item.human_ratio = random.uniform();
  const TaskResult correlation = count_choices(people.set, people.scores, {});
  ASSERT_EQ(correlation.total.scores[0].metric, "spearman");
  EXPECT_DOUBLE_EQ(score_of(correlation.values), correlation.total.scores[0].value);
}

}  // namespace
}  // namespace bitmar
