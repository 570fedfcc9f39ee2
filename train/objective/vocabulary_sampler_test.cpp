#include "objective/vocabulary_sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <vector>

#include "objective/vocabulary_loss.h"

namespace bitmar {
namespace {

std::vector<std::int64_t> ids(const torch::Tensor& tensor) {
  return {tensor.const_data_ptr<std::int64_t>(), tensor.const_data_ptr<std::int64_t>() + tensor.numel()};
}

TEST(VocabularySampler, TakesTheMostFrequentTokensTheTargetsAndOthers) {
  std::vector<std::uint64_t> counts(20, 0);
  counts[3] = 5;
  counts[7] = 9;
  counts[11] = 5;
  counts[2] = 1;
  const VocabularySampler sampler(counts, 3, 4);
  EXPECT_EQ(sampler.core_size(), 3u);
  Random random(1);
  const auto targets = torch::tensor({std::int64_t{2}, std::int64_t{7}, std::int64_t{2}});
  const SampledColumns columns = sampler.draw(targets, random);
  const auto rows = ids(columns.rows);
  ASSERT_EQ(rows.size(), 3u + 1u + 4u);
  EXPECT_EQ(std::vector(rows.begin(), rows.begin() + 4), (std::vector<std::int64_t>{7, 3, 11, 2}));
  EXPECT_EQ(std::set(rows.begin(), rows.end()).size(), rows.size());
  EXPECT_EQ(ids(columns.targets), (std::vector<std::int64_t>{3, 0, 3}));
  for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(columns.log_weights[i].item<float>(), 0.0f);
  for (std::int64_t i = 4; i < 8; ++i) EXPECT_FLOAT_EQ(columns.log_weights[i].item<float>(), std::log(16.0f / 4.0f));
}

TEST(VocabularySampler, RoundsTheColumnsUp) {
  const std::vector<std::uint64_t> counts(100, 1);
  const auto targets = torch::tensor({std::int64_t{2}, std::int64_t{7}});
  for (const std::uint64_t negatives : {1u, 6u, 7u, 80u}) {
    const VocabularySampler sampler(counts, 10, negatives, 16);
    Random random(1);
    const auto columns = static_cast<std::uint64_t>(sampler.draw(targets, random).rows.size(0));
    EXPECT_EQ(columns, std::min<std::uint64_t>(100, (10 + negatives + 15) / 16 * 16));
  }
}

TEST(VocabularySampler, WithAllTheRestItIsTheFullLoss) {
  torch::manual_seed(2);
  std::vector<std::uint64_t> counts(40, 0);
  counts[1] = counts[2] = 1;
  const VocabularySampler sampler(counts, 100, 1000);
  Random random(5);
  const auto hidden = torch::randn({9, 6});
  const auto weight = torch::randn({40, 6});
  const auto targets = torch::randint(0, 40, {9}, torch::kLong);
  const SampledColumns columns = sampler.draw(targets, random);
  ASSERT_EQ(columns.rows.size(0), 40);
  const auto sampled = vocabulary_loss(hidden, weight.index_select(0, columns.rows), columns.targets,
                                       {.column_offsets = columns.log_weights});
  EXPECT_NEAR(sampled.item<double>(), vocabulary_loss(hidden, weight, targets, {}).item<double>(), 1e-5);
}

// The mean over many draws of the estimated partition sum is the partition sum.
TEST(VocabularySampler, EstimatesThePartitionWithoutBias) {
  torch::manual_seed(3);
  std::vector<std::uint64_t> counts(200, 0);
  for (std::size_t id = 0; id < 10; ++id) counts[id] = 1;
  const VocabularySampler sampler(counts, 10, 20);
  const auto logits = torch::randn({200}, torch::kFloat64);
  const double exact = logits.exp().sum().item<double>();
  Random random(7);
  const auto target = torch::tensor({std::int64_t{4}});
  const int draws = 4000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < draws; ++i) {
    const SampledColumns columns = sampler.draw(target, random);
    const double estimate = (logits.index_select(0, columns.rows) + columns.log_weights).exp().sum().item<double>();
    sum += estimate;
    squares += estimate * estimate;
  }
  const double mean = sum / draws;
  const double deviation = std::sqrt((squares / draws - mean * mean) / draws);
  EXPECT_NEAR(mean, exact, 4.0 * deviation);
  EXPECT_LT(deviation, 0.02 * exact);  // so that the bound above says something
}

}  // namespace
}  // namespace bitmar
