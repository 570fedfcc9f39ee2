#include "distill/settings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bitmar {
namespace {

DistillSettings settings(const std::vector<std::string>& overrides) {
  const auto document = TomlDocument::parse(
      "[data]\nphotos = \"p\"\ntraining_list = \"t\"\nvalidation_list = \"v\"\nteacher = \"w\"\n"
      "[distill]\nrun = \"r\"\nsteps = 300\n",
      "a.toml", overrides);
  return read_distill_settings(document.value()).value();
}

TEST(DistillSettings, AScheduleOfAnotherLengthLeavesTheRunsAlone) {
  EXPECT_EQ(settings({}).schedule.total_steps, 300u);
  const DistillSettings longer = settings({"schedule.total_steps=900"});
  EXPECT_EQ(longer.steps, 300u);
  EXPECT_EQ(longer.schedule.total_steps, 900u);
}

TEST(DistillSettings, TheCourseNamesWhatShapesIt) {
  const std::string course = describe_course(settings({}));
  for (const std::string other :
       {"data.teacher=x", "data.photos=x", "data.training_photos=9", "distill.steps=301", "distill.seed=2",
        "distill.init_from=x", "objective.pooled=false", "augmentation.mirror=0.25", "optimizer.beta1=0.8",
        "schedule.total_steps=900", "schedule.restart_period=9", "student.preset=bitvit-tiny-class"}) {
    EXPECT_NE(describe_course(settings({other})), course) << other;
  }
  for (const std::string same : {"distill.run=x", "distill.log_every=3", "distill.threads=2"}) {
    EXPECT_EQ(describe_course(settings({same})), course) << same;
  }
}

}  // namespace
}  // namespace bitmar
