#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

namespace bitmar {
namespace {

std::vector<float> random_logits(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(3.0 * random.normal());
  return logits;
}

// The tokens that may come out, by a direct reading of the definitions.
std::set<TokenId> allowed(std::span<const float> logits, const SamplerOptions& options) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  std::vector<double> weights;
  for (const TokenId id : order) {
    weights.push_back(std::exp(static_cast<double>(logits[id] - logits[order[0]]) / options.temperature));
  }
  std::size_t count = order.size();
  if (options.top_k > 0) count = std::min<std::size_t>(count, options.top_k);
  while (count > 1 && weights[count - 1] < options.min_p) --count;
  const double total = std::accumulate(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(count), 0.0);
  double mass = 0;
  std::set<TokenId> kept;
  for (std::size_t i = 0; i < count && (kept.empty() || mass < options.top_p * total); ++i) {
    kept.insert(order[i]);
    mass += weights[i];
  }
  return kept;
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowestOfEquals) {
  std::vector<float> logits(1000, -1.0f);
  logits[400] = logits[700] = 2.0f;
  Sampler sampler({}, logits.size());
  EXPECT_EQ(sampler.sample(scalar_kernels(), logits), 400u);
}

TEST(Sampler, DrawsOnlyWhatTheFiltersKeepAndAllOfIt) {
  const std::vector<SamplerOptions> settings = {{.temperature = 1.0f, .top_k = 5, .top_p = 1.0f, .min_p = 0.0f},
                                                {.temperature = 0.7f, .top_k = 0, .top_p = 0.6f, .min_p = 0.0f},
                                                {.temperature = 1.3f, .top_k = 0, .top_p = 1.0f, .min_p = 0.2f},
                                                {.temperature = 0.9f, .top_k = 9, .top_p = 0.8f, .min_p = 0.1f},
                                                {.temperature = 0.9f, .top_k = 1, .top_p = 0.0f, .min_p = 1.0f}};
  for (const auto& options : settings) {
    const auto logits = random_logits(64, 3);
    const auto expected = allowed(logits, options);
    Sampler sampler(options, logits.size());
    std::set<TokenId> seen;
    for (int draw = 0; draw < 20000; ++draw) seen.insert(sampler.sample(scalar_kernels(), logits));
    EXPECT_EQ(seen, expected) << "top_k " << options.top_k << " top_p " << options.top_p << " min_p " << options.min_p;
  }
}

TEST(Sampler, FrequenciesFollowTheSoftmax) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f};
  const SamplerOptions options{.temperature = 1.0f, .top_k = 0, .top_p = 1.0f, .min_p = 0.0f, .seed = 11};
  Sampler sampler(options, logits.size());
  constexpr int kDraws = 100000;
  std::map<TokenId, int> counts;
  for (int draw = 0; draw < kDraws; ++draw) ++counts[sampler.sample(scalar_kernels(), logits)];
  const double total = 1 + std::exp(1.0) + std::exp(2.0);
  for (TokenId id = 0; id < 3; ++id) {
    const double p = std::exp(static_cast<double>(id)) / total;
    const double deviation = std::sqrt(p * (1 - p) / kDraws);  // five standard errors
    EXPECT_NEAR(counts[id] / static_cast<double>(kDraws), p, 5 * deviation);
  }
}

// The distribution that the definition gives, by sorting everything.
std::map<TokenId, double> distribution(std::span<const float> logits, const SamplerOptions& options) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  const auto weight = [&](std::size_t rank) {
    return std::exp((double{logits[order[rank]]} - double{logits[order[0]]}) / double{options.temperature});
  };
  if (options.top_k > 0) order.resize(std::min<std::size_t>(order.size(), options.top_k));
  while (order.size() > 1 && weight(order.size() - 1) < double{options.min_p}) order.pop_back();
  double total = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) total += weight(rank);
  std::map<TokenId, double> kept;
  double mass = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    if (rank > 0 && options.top_p < 1.0f && mass >= double{options.top_p} * total) break;
    kept[order[rank]] = weight(rank);
    mass += weight(rank);
  }
  for (auto& [id, probability] : kept) probability /= mass;
  return kept;
}

// Pearson's statistic over the tokens expected at least ten times and one bin for the others, as standard deviations of
// a normal variable (Wilson and Hilferty 1931); and nothing is drawn that cannot be.
void expect_drawn_from(std::span<const float> logits, const SamplerOptions& options, int draws) {
  SCOPED_TRACE(::testing::Message() << "temperature " << options.temperature << " top_k " << options.top_k << " top_p "
                                    << options.top_p << " min_p " << options.min_p);
  const auto expected = distribution(logits, options);
  Sampler sampler(options, logits.size());
  std::map<TokenId, int> counts;
  for (int draw = 0; draw < draws; ++draw) ++counts[sampler.sample(scalar_kernels(), logits)];
  for (const auto& [id, count] : counts) ASSERT_TRUE(expected.contains(id)) << "token " << id << " was drawn";
  double statistic = 0;
  double rest_expected = 0;
  double rest = 0;
  int bins = 0;
  const auto add_bin = [&](double observed, double mean) {
    statistic += (observed - mean) * (observed - mean) / mean;
    ++bins;
  };
  for (const auto& [id, probability] : expected) {
    const double mean = probability * draws;
    if (mean >= 10) {
      add_bin(counts[id], mean);
    } else {
      rest_expected += mean;
      rest += counts[id];
    }
  }
  if (rest_expected >= 10) add_bin(rest, rest_expected);
  const double freedom = std::max(bins - 1, 1);
  const double spread = 2 / (9 * freedom);
  const double deviations = (std::cbrt(statistic / freedom) - (1 - spread)) / std::sqrt(spread);
  EXPECT_LT(deviations, 4) << "chi-square " << statistic << " in " << bins << " bins";
}

TEST(Sampler, DrawsFromTheDistributionThatSortingGives) {
  const auto logits = random_logits(3000, 8);
  for (const float temperature : {0.3f, 0.8f, 1.0f, 3.0f}) {
    for (const float top_p : {0.1f, 0.5f, 0.95f, 0.999f, 1.0f}) {
      expect_drawn_from(logits, {.temperature = temperature, .top_k = 0, .top_p = top_p, .min_p = 0.0f}, 8000);
    }
    for (const float min_p : {1e-4f, 0.01f, 0.3f}) {
      for (const float top_p : {0.8f, 1.0f}) {
        expect_drawn_from(logits, {.temperature = temperature, .top_k = 0, .top_p = top_p, .min_p = min_p}, 8000);
      }
    }
    for (const std::uint32_t top_k : {1u, 7u, 40u, 2000u, 5000u}) {
      expect_drawn_from(logits, {.temperature = temperature, .top_k = top_k, .top_p = 0.9f, .min_p = 0.0f}, 1000);
    }
  }
}

TEST(Sampler, EqualLogitsStandByTheirIds) {
  const std::vector<float> equal(4000, -2.5f);
  Sampler half({.temperature = 1.0f, .top_k = 0, .top_p = 0.5f, .min_p = 0.0f}, equal.size());
  Sampler few({.temperature = 1.0f, .top_k = 3, .top_p = 1.0f, .min_p = 0.0f}, equal.size());
  std::set<TokenId> of_half;
  std::set<TokenId> of_few;
  for (int draw = 0; draw < 40000; ++draw) {
    of_half.insert(half.sample(scalar_kernels(), equal));
    if (draw < 500) of_few.insert(few.sample(scalar_kernels(), equal));
  }
  EXPECT_EQ(of_half.size(), 2000u);
  EXPECT_EQ(*of_half.rbegin(), 1999u);
  EXPECT_EQ(of_few, (std::set<TokenId>{0, 1, 2}));

  std::vector<float> steps(4000);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<float>(i * 7919 % 5);
  for (const float top_p : {0.2f, 0.9f, 0.99f}) {
    expect_drawn_from(steps, {.temperature = 0.9f, .top_k = 0, .top_p = top_p, .min_p = 0.0f}, 8000);
  }
}

TEST(Sampler, ExtremeLogitsAndOptionsAreNoTrouble) {
  const float infinity = std::numeric_limits<float>::infinity();
  auto logits = random_logits(5000, 4);
  for (std::size_t i = 0; i < logits.size(); i += 3) logits[i] = -infinity;
  logits[1] = -1e30f;
  expect_drawn_from(logits, {.temperature = 1.0f, .top_k = 0, .top_p = 0.9f, .min_p = 0.0f}, 10000);
  expect_drawn_from(logits, {.temperature = 100.0f, .top_k = 0, .top_p = 0.9f, .min_p = 0.0f}, 10000);
  const auto best = static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
  for (const SamplerOptions& options :
       {SamplerOptions{.temperature = 1.0f, .top_k = 0, .top_p = 0.0f, .min_p = 0.0f},
        SamplerOptions{.temperature = 100.0f, .top_k = 0, .top_p = 1e-9f, .min_p = 0.0f},
        SamplerOptions{.temperature = 1e-30f, .top_k = 0, .top_p = 1.0f, .min_p = 0.0f},
        SamplerOptions{.temperature = 1e-42f, .top_k = 0, .top_p = 0.9f, .min_p = 0.0f},
        SamplerOptions{.temperature = 1.0f, .top_k = 0, .top_p = 1.0f, .min_p = 1.0f}}) {
    Sampler sampler(options, logits.size());
    for (int draw = 0; draw < 50; ++draw) ASSERT_EQ(sampler.sample(scalar_kernels(), logits), best);
  }
}

TEST(Sampler, SameSeedSameTokensAndResetStartsAgain) {
  const auto logits = random_logits(500, 5);
  const SamplerOptions options{.temperature = 1.0f, .seed = 42};
  Sampler first(options, logits.size());
  Sampler second(options, logits.size());
  std::vector<TokenId> drawn;
  for (int i = 0; i < 50; ++i) {
    drawn.push_back(first.sample(scalar_kernels(), logits));
    EXPECT_EQ(second.sample(scalar_kernels(), logits), drawn.back());
  }
  first.reset();
  for (const TokenId id : drawn) EXPECT_EQ(first.sample(scalar_kernels(), logits), id);
}

TEST(Sampler, PenaltyLowersRecentTokensOnceAndForgetsThem) {
  std::vector<float> logits = {1.0f, 1.9f, -1.0f};
  Sampler sampler({.repetition_penalty = 2.0f, .repetition_window = 2}, logits.size());
  EXPECT_EQ(sampler.sample(scalar_kernels(), logits), 1u);
  sampler.accept(1);
  sampler.accept(1);
  EXPECT_EQ(sampler.sample(scalar_kernels(), logits), 0u);  // 1.9 / 2 < 1
  logits[0] = 0.9f;
  EXPECT_EQ(sampler.sample(scalar_kernels(), logits), 1u);  // penalised once, not twice: 0.95 > 0.9
  sampler.accept(2);
  sampler.accept(2);
  EXPECT_EQ(sampler.sample(scalar_kernels(), logits), 1u);
}

TEST(Sampler, BadOptionsNameThemselves) {
  EXPECT_NE(SamplerOptions{.temperature = -1.0f}.validate().error().message.find("temperature"), std::string::npos);
  EXPECT_NE(SamplerOptions{.top_p = 1.5f}.validate().error().message.find("top-p"), std::string::npos);
  EXPECT_NE(SamplerOptions{.min_p = std::nanf("")}.validate().error().message.find("min-p"), std::string::npos);
  EXPECT_TRUE(SamplerOptions{}.validate());
}

}  // namespace
}  // namespace bitmar
