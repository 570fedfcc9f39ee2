#include "parallel/communicator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

#include "parallel/step_share.h"

namespace bitmar {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The process of rank `own` among others whose reports are given.
class Scripted final : public Communicator {
 public:
  Scripted(std::uint32_t own, std::vector<std::string> reports) : own_(own), reports_(std::move(reports)) {}
  std::uint32_t rank() const override { return own_; }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(reports_.size()); }
  std::uint32_t local_rank() const override { return own_; }
  void sum(std::span<float>) override {}
  void sum(std::span<double>) override {}
  void maximum(std::span<std::uint8_t>) override {}
  void broadcast(std::span<std::byte>) override {}
  std::vector<std::string> gather(const std::string& own) override {
    sent = own;
    reports_[own_] = own;
    return reports_;
  }
  void barrier() override {}
  void set_advice(const std::string&) override {}
  void abort() override { std::abort(); }

  std::string sent;

 private:
  std::uint32_t own_;
  std::vector<std::string> reports_;
};

TEST(Communicator, OneProcessKeepsWhatItHas) {
  SingleProcess alone;
  std::vector<float> values = {1.5f, -2.0f};
  alone.sum(std::span(values));
  EXPECT_THAT(values, ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(alone.gather("mine"), ElementsAre("mine"));
  EXPECT_EQ(alone.broadcast(std::string("mine")), "mine");
  EXPECT_TRUE(alone.leads());
  EXPECT_TRUE(alone.agree({}));
  EXPECT_FALSE(alone.failed_together());
}

TEST(Communicator, AnErrorOfOneIsAnErrorOfAll) {
  SingleProcess alone;
  const auto own = alone.agree(fail(ErrorCode::kIo, "disk full"));
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().code, ErrorCode::kIo);
  EXPECT_EQ(own.error().message, "disk full");
  EXPECT_TRUE(alone.failed_together());

  // What the failing process of rank 1 sends is what the successful one of rank 0 reads.
  Scripted failing(1, {"+", ""});
  const auto there = failing.agree(fail(ErrorCode::kNotFound, "no shard 'x'"));
  Scripted fine(0, {"", failing.sent});
  const auto here = fine.agree({});
  ASSERT_FALSE(here);
  ASSERT_FALSE(there);
  EXPECT_EQ(here.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(here.error().message, there.error().message);
  EXPECT_THAT(here.error().message, HasSubstr("rank 1: no shard 'x'"));
  EXPECT_TRUE(fine.failed_together());
}

TEST(StepShare, EveryBatchIsOneProcesses) {
  for (std::uint32_t accumulation = 1; accumulation <= 9; ++accumulation) {
    for (std::uint32_t size = 1; size <= accumulation; ++size) {
      std::vector<std::uint32_t> owners(3 * accumulation, 0);
      std::vector<std::uint32_t> counts;
      for (std::uint32_t rank = 0; rank < size; ++rank) {
        const auto share = StepShare::of(rank, size, accumulation);
        ASSERT_TRUE(share);
        std::uint32_t count = 0;
        for (std::uint32_t batch = 0; batch < owners.size(); ++batch) {
          if (!share->owns(batch)) continue;
          ++owners[batch];
          ++count;
        }
        counts.push_back(count);
      }
      EXPECT_THAT(owners, Each(1u));
      const auto [least, most] = std::ranges::minmax(counts);
      EXPECT_LE(most - least, 3u) << accumulation << " batches on " << size;  // one a step
      EXPECT_GT(least, 0u);
    }
  }
}

TEST(StepShare, RefusesAProcessWithoutBatches) {
  const auto share = StepShare::of(0, 3, 2);
  ASSERT_FALSE(share);
  EXPECT_THAT(share.error().message, HasSubstr("train.accumulation is 2, but 3 processes"));
}

}  // namespace
}  // namespace bitmar
