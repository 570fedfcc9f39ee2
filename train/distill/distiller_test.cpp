#include "distill/distiller.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "checkpoint/checkpoint.h"
#include "nn/matrix_products.h"

namespace bitmar {
namespace {

DistillSettings tiny_settings() {
  DistillSettings settings;
  settings.student.name = "tiny";
  settings.student.image_size = 16;
  settings.student.patch_size = 4;
  settings.student.position_grid = 4;
  settings.student.width = 12;
  settings.student.depth = 2;
  settings.student.heads = 3;
  settings.student.mlp_hidden = 24;
  settings.student.precision = TowerPrecision::kTernary;
  settings.batch = 4;
  settings.statistics_photos = 8;
  settings.objective.residual_weight = 0.5;
  settings.optimizer.state = StatePrecision::kFloat32;
  settings.steps = 40;
  settings.schedule = {
      .kind = ScheduleKind::kCosine, .peak = 3e-3, .floor_ratio = 0.0, .warmup_steps = 3, .total_steps = 40};
  return settings;
}

// Smooth random pictures: two waves a channel.
PhotoSet pictures(std::uint64_t count, const VisionTowerConfig& tower, std::uint64_t seed) {
  Random random(seed);
  const std::size_t side = tower.image_size;
  std::vector<std::uint8_t> pixels;
  for (std::uint64_t photo = 0; photo < count; ++photo) {
    std::array<double, 9> wave{};
    for (auto& value : wave) value = random.uniform() * 6.0;
    for (std::size_t y = 0; y < side; ++y) {
      for (std::size_t x = 0; x < side; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          const double phase =
              wave[3 * c] + (wave[3 * c + 1] * static_cast<double>(x) + wave[3 * c + 2] * static_cast<double>(y)) /
                                static_cast<double>(side);
          pixels.push_back(static_cast<std::uint8_t>(127.5 + 127.0 * std::sin(phase)));
        }
      }
    }
  }
  return PhotoSet::from_pixels(std::move(pixels), tower);
}

VisionTransformer make_teacher(const DistillSettings& settings) {
  torch::manual_seed(11);
  VisionTowerConfig config = settings.student;
  config.precision = TowerPrecision::kFloat32;
  return VisionTransformer(config);
}

struct Fixture : testing::Test {
  Fixture() { torch::set_num_threads(1); }
  DistillSettings settings = tiny_settings();
  PhotoSet training = pictures(10, settings.student, 1);
  PhotoSet validation = pictures(6, settings.student, 2);
};
using DistillerTest = Fixture;

TEST_F(DistillerTest, StudentApproachesTheTeacher) {
  Distiller distiller(settings, make_teacher(settings), training, validation);
  const double before = distiller.evaluate();
  while (!distiller.finished()) distiller.step();
  const double after = distiller.evaluate();
  EXPECT_LT(before, 0.95);
  // A third of the distance to a perfect match, at least.
  EXPECT_GT(after, before + (1.0 - before) / 3.0) << before;
}

TEST_F(DistillerTest, EveryPatchCanBeTheTarget) {
  Distiller pooled(settings, make_teacher(settings), training, validation);
  const DistillSettings pooled_settings = settings;
  settings.objective.pooled = false;
  Distiller distiller(settings, make_teacher(settings), training, validation);
  EXPECT_EQ(distiller.evaluate(), pooled.evaluate());  // what the model will see, whatever was the target
  const double before = distiller.evaluate();
  const DistillStep first = distiller.step();
  EXPECT_NE(first.cosine, pooled.step().cosine);
  while (!distiller.finished()) distiller.step();
  EXPECT_GT(distiller.evaluate(), before + (1.0 - before) / 3.0) << before;
  EXPECT_NE(describe_course(settings), describe_course(pooled_settings));
}

TEST_F(DistillerTest, StartsFromAnEarlierStudent) {
  Distiller first(settings, make_teacher(settings), training, validation);
  while (!first.finished()) first.step();
  Distiller second(settings, make_teacher(settings), training, validation);
  ASSERT_NE(second.evaluate(), first.evaluate());
  const auto started = second.initialise(first.student());
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(second.evaluate(), first.evaluate());
  VisionTowerConfig wider = settings.student;
  wider.mlp_hidden *= 2;
  EXPECT_FALSE(second.initialise(VisionTransformer(wider)));
}

// BF16 keeps 8 bits: a product of n terms is off by 2^-8 of its norm at most, and the tower's norms keep that so.
TEST_F(DistillerTest, AutocastComputesNearlyTheSame) {
  Distiller exact(settings, make_teacher(settings), training, validation);
  settings.autocast = Autocast::kBFloat16;
  Distiller rounded(settings, make_teacher(settings), training, validation);
  const DistillStep expected = exact.step();
  const DistillStep step = rounded.step();
  EXPECT_EQ(step.total != expected.total, fast_products().bfloat16);  // else the teacher stays in FP32
  EXPECT_NE(step.gradient_norm, expected.gradient_norm);
  EXPECT_NEAR(step.total, expected.total, 0x1p-6);
  EXPECT_NEAR(step.gradient_norm, expected.gradient_norm, 0x1p-4 * expected.gradient_norm);
}

TEST_F(DistillerTest, ResumedRunEqualsTheUninterruptedBitForBit) {
  Distiller straight(settings, make_teacher(settings), training, validation);
  std::vector<double> expected;
  while (straight.steps() < 12) expected.push_back(straight.step().total);

  const CheckpointStore store((std::filesystem::path(testing::TempDir()) / "distiller_resume").string(), 2);
  std::filesystem::remove_all(std::filesystem::path(testing::TempDir()) / "distiller_resume");
  {
    Distiller killed(settings, make_teacher(settings), training, validation);
    while (killed.steps() < 5) killed.step();
    ASSERT_TRUE(store.save(killed.checkpoint()));
    killed.step();  // lost with the process
  }
  Distiller resumed(settings, make_teacher(settings), training, validation);
  const auto checkpoint = store.load_latest(false);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  const auto restored = resumed.restore(*checkpoint);
  ASSERT_TRUE(restored) << restored.error().message;
  ASSERT_EQ(resumed.steps(), 5u);
  for (std::size_t step = 5; step < 12; ++step) EXPECT_EQ(resumed.step().total, expected[step]) << step;
  for (const auto& parameter : straight.student()->named_parameters()) {
    EXPECT_TRUE(torch::equal(parameter.value(), resumed.student()->named_parameters()[parameter.key()]))
        << parameter.key();
  }
  EXPECT_EQ(straight.evaluate(), resumed.evaluate());
}

TEST_F(DistillerTest, RefusesACheckpointOfOtherSettings) {
  Distiller first(settings, make_teacher(settings), training, validation);
  const Checkpoint checkpoint = first.checkpoint();
  settings.seed = 2;
  Distiller second(settings, make_teacher(settings), training, validation);
  const auto restored = second.restore(checkpoint);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DistillerTest, StreamShowsEveryPhotoOnceAnEpoch) {
  // Without augmentation a sample is its photo, so the photos of an epoch can be told apart.
  const AugmentationSettings none{
      .crop = {.minimum_area = 1.0, .maximum_aspect = 1.0, .mirror = 0.0}, .brightness = 0.0, .contrast = 0.0};
  const torch::Tensor plain = training.plain_batch(0, training.size());
  std::map<std::uint64_t, std::vector<int>> order;
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
    const torch::Tensor seen = training.random_batch(epoch * 10, 10, 7, none);
    std::vector<int> times(10);
    for (std::int64_t i = 0; i < 10; ++i) {
      for (std::int64_t photo = 0; photo < 10; ++photo) {
        if (torch::equal(seen[i], plain[photo])) {
          ++times[static_cast<std::size_t>(photo)];
          order[epoch].push_back(static_cast<int>(photo));
        }
      }
    }
    EXPECT_EQ(times, std::vector<int>(10, 1));
  }
  EXPECT_NE(order[0], order[1]);
  // A batch that spans two epochs is the same samples.
  const torch::Tensor across = training.random_batch(8, 4, 7, none);
  EXPECT_TRUE(torch::equal(across[2], training.random_batch(10, 1, 7, none)[0]));
  EXPECT_TRUE(torch::equal(across[1], training.random_batch(9, 1, 7, none)[0]));
}

TEST(FeatureObjective, CosineIsCentredOnTheTeachersMean) {
  torch::manual_seed(5);
  const torch::Tensor teacher = torch::randn({6, 4, 8}) + 100.0;
  const FeatureStatistics statistics = measure_statistics(teacher);
  // About the origin, all of these would be above 0.99.
  EXPECT_NEAR(centred_cosine(teacher, teacher, statistics).item<double>(), 1.0, 1e-5);
  const torch::Tensor opposite = 2 * statistics.mean - teacher;
  EXPECT_NEAR(centred_cosine(opposite, teacher, statistics).item<double>(), -1.0, 1e-5);
  const ObjectiveTerms exact = feature_objective(teacher, teacher, statistics, {});
  EXPECT_NEAR(exact.total.item<double>(), 0.0, 1e-5);
}

TEST(FeatureObjective, ResidualErrorIsTheShareOfVarianceMissed) {
  torch::manual_seed(6);
  const torch::Tensor teacher = torch::randn({32, 16, 8}) * torch::logspace(-2, 2, 8) + 5.0;
  const torch::Tensor mean = teacher.mean(at::IntArrayRef{0, 1}).expand_as(teacher);
  EXPECT_NEAR(residual_error({mean}, {teacher}).item<double>(), 1.0, 1e-4);
  EXPECT_NEAR(residual_error({teacher, mean}, {teacher, teacher}).item<double>(), 0.5, 1e-4);
}

}  // namespace
}  // namespace bitmar
