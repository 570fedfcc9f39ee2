#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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
