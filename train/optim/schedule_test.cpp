#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bitmar {
namespace {

TEST(Schedule, WarmsUpLinearly) {
  const ScheduleSettings settings{.peak = 2.0, .warmup_steps = 4};
  for (std::uint64_t step = 0; step < 4; ++step) {
    EXPECT_DOUBLE_EQ(learning_rate(settings, step), 0.5 * static_cast<double>(step + 1));
  }
  EXPECT_DOUBLE_EQ(learning_rate(settings, 4), 2.0);
}

TEST(Schedule, CosineReachesTheFloorAndStaysThere) {
  const ScheduleSettings settings{
      .kind = ScheduleKind::kCosine, .peak = 1.0, .floor_ratio = 0.1, .warmup_steps = 10, .total_steps = 110};
  EXPECT_DOUBLE_EQ(learning_rate(settings, 10), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 60), 0.55);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 110), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 5000), 0.1);
}

TEST(Schedule, RestartsAfterGrowingPeriods) {
  const ScheduleSettings settings{
      .peak = 1.0, .floor_ratio = 0.1, .warmup_steps = 5, .restart_period = 10, .restart_multiplier = 2};
  // Periods of 10, 20 and 40 from step 5.
  for (const std::uint64_t start : {5u, 15u, 35u, 75u}) EXPECT_DOUBLE_EQ(learning_rate(settings, start), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 10), 0.55);
  EXPECT_DOUBLE_EQ(learning_rate(settings, 25), 0.55);
  for (std::uint64_t step = 5; step < 200; ++step) {
    EXPECT_GE(learning_rate(settings, step), 0.1);
    EXPECT_LE(learning_rate(settings, step), 1.0);
  }
}

TEST(Schedule, EqualPeriodsRepeat) {
  const ScheduleSettings settings{.warmup_steps = 0, .restart_period = 7, .restart_multiplier = 1};
  for (std::uint64_t step = 0; step < 30; ++step) {
    EXPECT_EQ(learning_rate(settings, step), learning_rate(settings, step + 7));
  }
}

TEST(Schedule, ConstantAndNames) {
  EXPECT_EQ(learning_rate({.kind = ScheduleKind::kConstant, .peak = 0.5, .warmup_steps = 0}, 123), 0.5);
  EXPECT_EQ(parse_schedule_kind("cosine-restarts").value(), ScheduleKind::kCosineRestarts);
  EXPECT_FALSE(parse_schedule_kind("linear"));
}

TEST(Schedule, ValidationRefusesTheImpossible) {
  EXPECT_TRUE(ScheduleSettings().validate());
  EXPECT_FALSE((ScheduleSettings{.peak = 0}).validate());
  EXPECT_FALSE((ScheduleSettings{.floor_ratio = 1.5}).validate());
  EXPECT_FALSE((ScheduleSettings{.kind = ScheduleKind::kCosine, .warmup_steps = 10, .total_steps = 10}).validate());
  EXPECT_FALSE((ScheduleSettings{.restart_period = 0}).validate());
}

}  // namespace
}  // namespace bitmar
