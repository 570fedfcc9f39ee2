#include "optim/controller.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace bitmar {
namespace {

// Small numbers: an average over 4 steps, cool-down 10, duration 15.
ControllerSettings small() {
  return {.average_steps = 4, .drop = 0.12, .recent_steps = 40, .cooldown_steps = 10, .duration_steps = 15};
}

TEST(AdaptiveController, StaysQuietWhileAlignmentHolds) {
  AdaptiveController controller(small());
  for (std::uint64_t step = 0; step < 200; ++step) EXPECT_EQ(controller.update(step, 0.5), std::nullopt);
  EXPECT_EQ(controller.active(), Intervention::kNone);
  EXPECT_DOUBLE_EQ(controller.average(), 0.5);
}

TEST(AdaptiveController, IntervenesAtTheFirstStepBelowTheDropAndStopsAfterItsDuration) {
  AdaptiveController controller(small());
  std::uint64_t step = 0;
  for (; step < 20; ++step) controller.update(step, 0.5);
  // The average falls towards 0.3 as 0.3 + 0.2 * 0.75^n: 0.12 below 0.5 is passed at n = 4.
  for (int n = 1; n <= 3; ++n) EXPECT_EQ(controller.update(step++, 0.3), std::nullopt);
  const auto started = controller.update(step, 0.3);
  ASSERT_TRUE(started);
  EXPECT_NE(*started, Intervention::kNone);
  EXPECT_EQ(controller.active(), *started);
  for (std::uint64_t i = 1; i < 15; ++i) EXPECT_EQ(controller.update(step + i, 0.3), std::nullopt);
  EXPECT_EQ(controller.update(step + 15, 0.3), Intervention::kNone);
  EXPECT_EQ(controller.active(), Intervention::kNone);
}

TEST(AdaptiveController, WaitsForTheCooldown) {
  AdaptiveController controller(small());
  controller.update(0, 0.9);
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> second;
  for (std::uint64_t step = 1; step < 100; ++step) {
    // Falls so fast that the drop is there at once, and goes on falling.
    const auto change = controller.update(step, 0.9 - 0.05 * static_cast<double>(step));
    if (change && *change != Intervention::kNone) (first ? second : first) = step;
    if (second) break;
  }
  EXPECT_EQ(first, 10u);               // not before the cool-down from the first step
  EXPECT_EQ(second, 10u + 15u + 10u);  // the end of the first one, and the cool-down after it
}

TEST(AdaptiveController, TheRecentMaximumForgets) {
  AdaptiveController controller(small());
  controller.update(0, 0.9);
  // Falls by 0.01 in 4 steps: never 0.12 within 40 steps.
  for (std::uint64_t step = 1; step < 200; ++step) {
    EXPECT_EQ(controller.update(step, 0.9 - 0.0025 * static_cast<double>(step)), std::nullopt);
  }
  EXPECT_LT(controller.recent_maximum(), 0.6);
  EXPECT_GT(controller.recent_maximum(), controller.average());
}

TEST(AdaptiveController, ChoosesAmongTheConfiguredOnes) {
  ControllerSettings settings = small();
  settings.choices = {Intervention::kFreezeMemory, Intervention::kRaiseContrast};
  std::set<Intervention> seen;
  for (settings.seed = 0; settings.seed < 20; ++settings.seed) {
    AdaptiveController controller(settings);
    for (std::uint64_t step = 0; step < 30; ++step) controller.update(step, step < 15 ? 0.5 : 0.0);
    seen.insert(controller.active());
    EXPECT_EQ(controller.contrast_factor(), controller.active() == Intervention::kRaiseContrast ? 2.0 : 1.0);
  }
  EXPECT_EQ(seen, (std::set{Intervention::kFreezeMemory, Intervention::kRaiseContrast}));
}

TEST(AdaptiveController, RestoresExactly) {
  const auto cosine = [](std::uint64_t step) { return 0.5 + 0.4 * std::sin(static_cast<double>(step) * 0.07); };
  AdaptiveController whole(small());
  AdaptiveController part(small());
  for (std::uint64_t step = 0; step < 400; ++step) {
    if (step % 37 == 0) {
      AdaptiveController next(small());
      ASSERT_TRUE(next.restore(part.save()));
      part = next;
    }
    EXPECT_EQ(part.update(step, cosine(step)), whole.update(step, cosine(step)));
    EXPECT_EQ(part.average(), whole.average());
  }
  EXPECT_EQ(part.save(), whole.save());
}

TEST(AdaptiveController, RefusesWhatIsNoState) {
  AdaptiveController controller(small());
  for (const char* text : {"", "[]", "{}", R"({"random":[1,2,3]})", "null"}) EXPECT_FALSE(controller.restore(text));
  std::string state = controller.save();
  state.replace(state.find("none"), 4, "nope");
  EXPECT_FALSE(controller.restore(state));
}

TEST(AdaptiveController, DisabledOrUndefinedCosineDoesNothing) {
  ControllerSettings settings = small();
  settings.enabled = false;
  AdaptiveController off(settings);
  for (std::uint64_t step = 0; step < 100; ++step) EXPECT_FALSE(off.update(step, step < 50 ? 1.0 : 0.0));
  AdaptiveController on(small());
  on.update(0, 0.5);
  EXPECT_FALSE(on.update(1, std::nan("")));
  EXPECT_EQ(on.average(), 0.5);
}

TEST(ControllerSettings, NamesAndValidation) {
  for (const Intervention i : ControllerSettings().choices)
    EXPECT_EQ(parse_intervention(intervention_name(i)).value(), i);
  EXPECT_FALSE(parse_intervention("panic"));
  EXPECT_TRUE(ControllerSettings().validate());
  EXPECT_FALSE((ControllerSettings{.average_steps = 0}).validate());
  EXPECT_FALSE((ControllerSettings{.choices = {}}).validate());
}

}  // namespace
}  // namespace bitmar
