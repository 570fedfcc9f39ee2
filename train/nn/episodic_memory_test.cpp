#include "nn/episodic_memory.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "nn/autocast.h"
#include "nn/fused_ops.h"
#include "nn/testing.h"

namespace bitmar {
namespace {

using testing_nn::small_config;

class EpisodicMemoryTest : public ::testing::Test {
 protected:
  EpisodicMemoryTest() : config_(small_config()), memory_(nullptr) {
    torch::manual_seed(11);
    memory_ = EpisodicMemory(config_);
    queries_ = torch::randn({3, 2, 4, config_.width});
    mask_ = torch::ones({3, 2, 4}, torch::kBool);
  }
  ModelConfig config_;
  EpisodicMemory memory_;
  torch::Tensor queries_, mask_;
};

// What the first segment writes is read by the second of its own row only; nothing reads its own write.
TEST_F(EpisodicMemoryTest, ASegmentReadsItsPredecessorsWritesAndNeverItsOwn) {
  const torch::NoGradGuard no_grad;
  const auto before = memory_->forward(queries_, mask_).retrieved;
  // The write weights decide what is written: only second segments may change.
  for (auto& item : memory_->named_parameters()) {
    if (item.key() == "write.weight") item.value().copy_(-item.value());
  }
  const auto after = memory_->forward(queries_, mask_).retrieved;
  EXPECT_TRUE(torch::equal(before.select(1, 0), after.select(1, 0)));
  EXPECT_FALSE(torch::allclose(before.select(1, 1), after.select(1, 1)));

  // Another first segment in row 0 changes row 0's second segment and no other row's.
  auto other = queries_.clone();
  other.index_put_({0, 0}, torch::randn({4, static_cast<std::int64_t>(config_.width)}));
  const auto changed = memory_->forward(other, mask_).retrieved;
  EXPECT_FALSE(torch::allclose(changed[0][1], after[0][1]));
  EXPECT_TRUE(torch::equal(changed[1], after[1]));
  EXPECT_TRUE(torch::equal(changed[2], after[2]));
}

TEST_F(EpisodicMemoryTest, TheFirstSegmentReadsTheStoreByTheFormula) {
  const torch::NoGradGuard no_grad;
  memory_->named_buffers()["usage"].copy_(torch::rand({10}));
  const auto pass = memory_->forward(queries_, mask_);
  // Products of 8-bit codes, over the norms of what they round.
  const auto rounded = [](const torch::Tensor& x) {
    const auto step = x.abs().amax(-1, true) / kHeadRange;
    return (x / step).round() * step;
  };
  const auto q = queries_[1][0][2];
  const auto slots = memory_->slots();
  const auto cosine = torch::matmul(rounded(slots), rounded(q)) / (slots.norm(2, -1) * q.norm());
  const auto expected =
      torch::matmul(torch::softmax(8.0 * cosine + (memory_->usage() + 1e-3).log(), 0), rounded(slots));
  EXPECT_TRUE(torch::allclose(pass.retrieved[1][0][2], expected, 1e-4, 1e-5));
}

TEST_F(EpisodicMemoryTest, TheStoreTakesTheMeanOfTheRowsCopies) {
  const torch::NoGradGuard no_grad;
  const auto all = memory_->forward(queries_, mask_);
  auto mean = torch::zeros_like(all.next_slots);
  for (std::int64_t row = 0; row < 3; ++row) {
    mean += memory_->forward(queries_.narrow(0, row, 1), mask_.narrow(0, row, 1)).next_slots / 3.0;
  }
  EXPECT_TRUE(torch::allclose(all.next_slots, mean, 1e-5, 1e-6));
  const double expected = (all.next_slots - memory_->slots()).square().sum().item<double>();
  EXPECT_NEAR(all.consistency.item<double>(), expected, 1e-6 * expected);
  memory_->commit(all);
  EXPECT_TRUE(torch::equal(memory_->slots(), all.next_slots));
}

TEST_F(EpisodicMemoryTest, OneEpisodeMovesSlotsTowardsItsSummaryAndMarksThem) {
  const torch::NoGradGuard no_grad;
  const auto query = queries_.narrow(0, 0, 1).narrow(1, 0, 1);
  auto mask = torch::ones({1, 1, 4}, torch::kBool);
  mask.index_put_({0, 0, 3}, false);  // the summary is the query at the third token
  const auto pass = memory_->forward(query, mask);
  const auto summary = query[0][0][2];
  const auto change = (pass.next_slots - memory_->slots()).norm(2, 1);
  EXPECT_EQ(change.gt(0).sum().item<std::int64_t>(), config_.memory_write_slots);
  // M' - M = alpha w (q - M): along q - M, with weights that sum to alpha.
  double total = 0;
  for (std::int64_t slot = 0; slot < 10; ++slot) {
    if (change[slot].item<double>() == 0) continue;
    const auto direction = summary - memory_->slots()[slot];
    const auto moved = pass.next_slots[slot] - memory_->slots()[slot];
    total += moved.dot(direction).item<double>() / direction.dot(direction).item<double>();
    EXPECT_NEAR(torch::cosine_similarity(moved, direction, 0).item<double>(), 1.0, 1e-5);
  }
  EXPECT_NEAR(total, config_.memory_write_rate, 1e-5);
  // Usage: exactly one slot (the largest w) is raised to 1; all stay in [0, 1].
  EXPECT_EQ(pass.next_usage.eq(1.0).sum().item<std::int64_t>(), 1);
  EXPECT_GE(pass.next_usage.min().item<double>(), 0.0);
  EXPECT_LE(pass.next_usage.max().item<double>(), 1.0);
  // Slots that were not written decay: u' = rho u + (1 - rho) min(1, K a).
  const auto decayed = (1.0 - config_.memory_usage_decay) * (10.0 * pass.mean_attention).clamp_max(1.0);
  const auto untouched = change.eq(0);
  EXPECT_TRUE(torch::allclose(pass.next_usage.masked_select(untouched), decayed.masked_select(untouched)));
}

TEST_F(EpisodicMemoryTest, AnEmptySegmentWritesNothing) {
  const torch::NoGradGuard no_grad;
  auto mask = mask_.clone();
  mask.select(1, 1).fill_(false);
  const auto with_empty = memory_->forward(queries_, mask);
  const auto without = memory_->forward(queries_.narrow(1, 0, 1), mask_.narrow(1, 0, 1));
  EXPECT_TRUE(torch::equal(with_empty.next_slots, without.next_slots));
  EXPECT_TRUE(torch::equal(with_empty.next_usage, without.next_usage));
}

TEST_F(EpisodicMemoryTest, LaterReadsTeachTheWriteWeights) {
  const auto write_gradient = [&](std::int64_t segment) {
    memory_->zero_grad();
    memory_->forward(queries_, mask_).retrieved.select(1, segment).sum().backward();
    return memory_->named_parameters()["write.weight"].grad().abs().sum().item<double>();
  };
  EXPECT_EQ(write_gradient(0), 0.0);  // it reads the store alone
  EXPECT_GT(write_gradient(1), 0.0);
}

TEST_F(EpisodicMemoryTest, AutocastChangesNothing) {
  ModelConfig config = config_;
  config.query = QueryKind::kExponential;
  EpisodicMemory memory(config);
  const auto run = [&](Autocast mode) {
    memory->zero_grad();
    std::vector<torch::Tensor> results;
    {
      const AutocastScope autocast(mode, torch::kCPU);
      const auto queries = memory->queries(queries_);
      const auto pass = memory->forward(queries, mask_);
      const auto retrieved = memory->retrieve(queries.select(1, 0));
      results = {queries, pass.retrieved, pass.consistency, pass.next_slots, pass.next_usage, retrieved};
    }
    (results[1].square().sum() + results[2]).backward();
    for (const auto& item : memory->named_parameters()) results.push_back(item.value().grad().clone());
    return results;
  };
  const auto off = run(Autocast::kOff);
  const auto bfloat16 = run(Autocast::kBFloat16);
  ASSERT_EQ(off.size(), bfloat16.size());
  for (std::size_t i = 0; i < off.size(); ++i) EXPECT_TRUE(torch::equal(off[i], bfloat16[i])) << i;
}

TEST_F(EpisodicMemoryTest, QueriesAreRunningMeans) {
  const auto fused = torch::randn({2, 1, 5, static_cast<std::int64_t>(config_.width)});
  const auto mean = memory_->queries(fused);
  for (std::int64_t t = 0; t < 5; ++t) {
    EXPECT_TRUE(torch::allclose(mean.select(2, t), fused.narrow(2, 0, t + 1).mean(2), 1e-5, 1e-6));
  }
  ModelConfig config = config_;
  config.query = QueryKind::kExponential;
  EpisodicMemory exponential(config);
  const auto smooth = exponential->queries(fused);
  auto expected = fused.select(2, 0);
  for (std::int64_t t = 0; t < 5; ++t) {
    if (t > 0) expected = 0.9 * expected + 0.1 * fused.select(2, t);
    EXPECT_TRUE(torch::allclose(smooth.select(2, t), expected, 1e-5, 1e-6)) << t;
  }
}

}  // namespace
}  // namespace bitmar
