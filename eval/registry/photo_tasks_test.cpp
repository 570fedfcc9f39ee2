// The tasks on photos with captions: against the caption evaluation, by hand, and on models that know nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/captions/caption_evaluation.h"
#include "eval/registry/image_tasks_test_support.h"
#include "eval/vision/retrieval_metrics.h"
#include "io/test_support.h"
#include "runtime/token_score.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using testing::OutputHead;
using testing::random_engine;
using testing::random_features;
using testing::small_config;

using PhotoTasks = testing_tasks::ImageTasks;

TEST_F(PhotoTasks, CaptionsEqualTheCaptionEvaluation) {
  write_flickr(9);
  TaskContext kept = context(engine_);
  kept.predictions = (folder_ / "kept").string();
  const auto result = find_task("captions")->run(kept);
  ASSERT_TRUE(result) << result.error().message;
  std::vector<ReferencedPhoto> photos;
  for (int i = 0; i < 9; ++i) {
    ReferencedPhoto& photo = photos.emplace_back();
    photo.name = fmt::format("{}.jpg", i);
    for (int c = 0; c < 3; ++c) photo.references.push_back(fmt::format("A dog number {} runs , {} .", i, c));
  }
  CaptionRun run;
  run.images = *ImageSource::of_features((folder_ / "flickr8k/features.npy").string(), small_config().vision_width);
  const auto captions = caption_photos(engine_, photos, run, {});
  ASSERT_TRUE(captions) << captions.error().message;
  EXPECT_EQ(*read_predictions((folder_ / "kept/captions.json").string(), photos), *captions);
  std::vector<CaptionItem> items;
  for (std::size_t i = 0; i < 9; ++i) items.push_back({(*captions)[i], photos[i].references});
  const auto tokenizer = *PtbTokenizer::create();
  const CaptionScores scores = score_captions(items, tokenizer);
  const CaptionScores others = score_captions(shuffle_candidates(items), tokenizer);
  EXPECT_NEAR(score(*result, "cider").value, scores.cider, 1e-12);
  EXPECT_NEAR(score(*result, "bleu_4").value, scores.bleu[3], 1e-12);
  EXPECT_NEAR(score(*result, "rouge_l").value, scores.rouge_l, 1e-12);
  EXPECT_NEAR(*score(*result, "bleu_1").shuffled_images, others.bleu[0], 1e-12);
  EXPECT_EQ(score(*result, "different_captions").value, static_cast<double>(scores.distinct));
  ASSERT_EQ(result->values.items(), 9u);
  EXPECT_NEAR(score_of(result->values), scores.cider, 1e-12);
  EXPECT_EQ(find_task("captions")->run(kept)->total.scores[4].value, result->total.scores[4].value);
  kept.memory = false;
  EXPECT_THAT(find_task("captions")->run(kept).error().message, HasSubstr("'memory' is true, here it is false"));
  // Captions that were chosen in another way.
  kept.memory = true;
  const std::string binding = (folder_ / "kept/captions.run.json").string();
  std::string text = testing::read_text(binding);
  const std::size_t place = text.find("image weight 4");
  ASSERT_NE(place, std::string::npos) << text;
  testing::write_file(binding, text.replace(place, 14, "image weight 0"));
  EXPECT_THAT(find_task("captions")->run(kept).error().message, HasSubstr("'search' is \"beam 4"));
}

// One photo by hand: what the memory holds after its first caption, and what the other two then cost.
TEST_F(PhotoTasks, SecondCaptionsAreScoredAfterTheFirstWasWritten) {
  write_flickr(9);
  const auto result = find_task("second_caption")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  const std::vector<float> values = random_features(small_config(), 4, 5);
  const MatrixView<const float> features{values, 4, small_config().vision_width};
  const auto caption = [&](int c) {
    std::vector<TokenId> tokens = {engine_->tokenizer().end_of_text()};
    engine_->tokenizer().encode_append(fmt::format("A dog number 5 runs, {}.", c), tokens);
    return tokens;
  };
  Session session = *Session::open(engine_);
  const auto nats_per_token = [&] {
    double nats = 0;
    double tokens = 0;
    for (int c = 1; c < 3; ++c) {
      session.reset();
      const std::vector<TokenScore> scores = *score_tokens(session, caption(c), 1);
      for (const TokenScore& token : scores) {
        nats -= token.log_probability;
        ++tokens;
      }
    }
    return nats / tokens;
  };
  ASSERT_TRUE(session.set_features(features));
  const double before = nats_per_token();
  session.reset();
  ASSERT_TRUE(session.read(caption(0)));
  ASSERT_TRUE(session.write_episode({}));
  const auto of_photo = std::span(result->values.values).subspan(2 * 5, 2);
  EXPECT_NEAR(of_photo[0] / of_photo[1], nats_per_token(), 1e-12);
  EXPECT_NE(of_photo[0] / of_photo[1], before);

  const double own = score(*result, "perplexity").value;
  EXPECT_NEAR(score(*result, "lower_than_nothing_written").value,
              1 - own / score(*result, "perplexity_nothing_written").value, 1e-12);
  EXPECT_NEAR(score_of(result->values), own, 1e-9);
  EXPECT_NE(score(*result, "perplexity_another_photo_written").value, own);
  EXPECT_NE(*score(*result, "perplexity").no_image, own);
  TaskContext other = context(engine_);
  other.threads = 3;
  EXPECT_EQ(find_task("second_caption")->run(other)->values.values, result->values.values);
  other.memory = false;
  const auto off = find_task("second_caption")->run(other);
  ASSERT_TRUE(off) << off.error().message;
  EXPECT_EQ(off->total.scores.size(), 1u);
  EXPECT_EQ(off->total.scores[0].value, score(*result, "perplexity_memory_off").value);
  const auto uniform = find_task("second_caption")->run(context(random_engine(small_config(), 3, OutputHead::kZero)));
  ASSERT_TRUE(uniform) << uniform.error().message;
  EXPECT_NEAR(score(*uniform, "perplexity").value, *score(*uniform, "perplexity").chance, 1e-6);
  EXPECT_NEAR(score(*uniform, "lower_than_nothing_written").value, 0.0, 1e-9);

  write("flickr8k/captions.tsv", "0.jpg\t0\tA dog .\n");
  write("flickr8k/dev.txt", "0.jpg\n");
  EXPECT_THAT(find_task("second_caption")->run(context(engine_)).error().message,
              HasSubstr("none of the photos has a second caption"));
}

TEST(RecallAt, CountsByHandAndSharesTies) {
  const bool right[] = {false, true, false, true, false};
  const std::vector<float> clear = {0.9f, 0.5f, 0.8f, 0.1f, 0.2f};
  EXPECT_EQ(recall_at(1, clear, right), 0.0);
  EXPECT_EQ(recall_at(2, clear, right), 0.0);
  EXPECT_EQ(recall_at(3, clear, right), 1.0);
  // One above; two right among three equal: 1 - 1/3 for the one place left of two.
  const std::vector<float> tied = {0.9f, 0.5f, 0.5f, 0.5f, 0.2f};
  EXPECT_NEAR(recall_at(2, tied, right), 2.0 / 3.0, 1e-15);
  EXPECT_EQ(recall_at(3, tied, right), 1.0);
  const std::vector<float> equal(5, 0.3f);
  for (std::size_t k = 1; k <= 5; ++k) EXPECT_EQ(recall_at(k, equal, right), chance_recall(k, 5, 2));
  EXPECT_NEAR(chance_recall(1, 1000, 1), 0.001, 1e-15);
  EXPECT_NEAR(chance_recall(2, 5, 2), 1 - 3.0 / 5 * 2.0 / 4, 1e-15);
  EXPECT_EQ(chance_recall(4, 5, 2), 1.0);
}

TEST_F(PhotoTasks, RetrievalOfARandomModelIsChance) {
  write_flickr(60);
  const auto result = find_task("retrieval")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  const Score& recall = score(*result, "text_to_image_recall@10");
  EXPECT_NEAR(*recall.chance, 1.0 / 6.0, 1e-12);
  EXPECT_LE(recall.interval->low, *recall.chance);
  EXPECT_GE(recall.interval->high, *recall.chance);
  EXPECT_NEAR(*score(*result, "image_to_text_recall@1").chance, 1.0 / 60, 1e-12);
  EXPECT_NEAR(score_of(result->values), result->total.scores.front().value, 1e-12);
  TaskContext threaded = context(engine_);
  threaded.threads = 3;
  EXPECT_EQ(find_task("retrieval")->run(threaded)->values.values, result->values.values);
}

}  // namespace
}  // namespace bitmar
