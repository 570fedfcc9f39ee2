// The tasks on images, text and reading times on small made-up files: models that know nothing, controls, metrics by
// hand, broken files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/captions/caption_evaluation.h"
#include "eval/tasks/csv_table.h"
#include "eval/tasks/tasks_test_support.h"
#include "eval/vision/babylm_images.h"
#include "eval/vision/easy_vqa.h"
#include "eval/vision/retrieval_metrics.h"
#include "io/npy.h"
#include "runtime/token_score.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OutputHead;
using testing::random_engine;
using testing::random_features;
using testing::small_config;
using testing::small_tower;

class ImageTasks : public testing_tasks::Tasks {
 protected:
  // Features of 4 patches each under these names.
  void write_features(const std::string& folder, const std::vector<std::string>& names) {
    fs::create_directories(folder_ / folder);
    const std::string path = (folder_ / folder / "features.npy").string();
    const std::size_t width = small_config().vision_width;
    auto writer = NpyWriter::create(path, DataType::kF32, {names.size(), 4, width}, false);
    ASSERT_TRUE(writer) << writer.error().message;
    std::string list;
    for (std::size_t i = 0; i < names.size(); ++i) {
      ASSERT_TRUE(writer->write_row(i, random_features(small_config(), 4, i)));
      list += names[i] + "\n";
    }
    ASSERT_TRUE(writer->flush());
    write(folder + "/features.npy.txt", list);
  }
  void write_easy_vqa() {
    const std::vector<std::string> answers = {"yes", "no", "red", "teal", "circle"};
    std::string questions;
    std::vector<std::string> names;
    for (int picture = 0; picture < 80; ++picture) {
      for (int i = 0; i < 5; ++i) {
        const std::string& answer = answers[static_cast<std::size_t>((picture / 10 + i * i) % 5)];
        questions += fmt::format(R"({}["what {} is it, {}?", "{}", {}])", questions.empty() ? "[" : ", ", i, picture,
                                 answer, picture);
      }
      names.push_back(fmt::format("{}.png", picture));
    }
    write("easy_vqa/questions.json", questions + "]");
    write_features("easy_vqa", names);
  }
  void write_babylm() {
    std::string pairs;
    std::string questions;
    std::string manifest = "image1,image2,image3,image4,text1\n";
    std::vector<std::string> pair_names;
    std::vector<std::string> question_names;
    std::vector<std::string> trial_names;
    for (int i = 0; i < 24; ++i) {
      pairs +=
          fmt::format(R"({{"caption_0": "cat on dog {0}", "caption_1": "dog on cat {0}", "collapsed_tag": "Object", )"
                      R"("image_idx": {1}, "image_key": "image_{2}"}})"
                      "\n",
                      i, i / 2, i % 2);
      pair_names.push_back(fmt::format("ex_{}_img_{}.png", i / 2, i % 2));
      questions += fmt::format(R"({{"question": "What {0}?", "target_ans": "a{0}", "distractors": ["b", "cc", "d d"], )"
                               R"("idx_in_hf_dataset": {0}}})"
                               "\n",
                               i);
      question_names.push_back(std::to_string(i));
      manifest +=
          fmt::format("images/a{0}.png,images/b{0}.png,images/c{0}.png,images/d{0}.png,\"thing {0}, red\"\n", i);
      for (const char letter : {'a', 'b', 'c', 'd'}) trial_names.push_back(fmt::format("{}{}.png", letter, i));
    }
    write("babylm/winoground_filtered/winoground.jsonl", pairs);
    write("babylm/vqa_filtered/vqa.jsonl", questions);
    write_features("babylm/winoground_filtered", pair_names);
    write_features("babylm/vqa_filtered", question_names);
    for (const char* folder : {"lex-viz_vocab", "gram-trog"}) {
      write(fmt::format("babylm/devbench/assets/{}/manifest.csv", folder), manifest);
      write_features(fmt::format("babylm/devbench/assets/{}", folder), trial_names);
    }
  }
  void write_flickr(int photos) {
    std::string list;
    std::string captions;
    std::vector<std::string> names;
    for (int i = 0; i < photos; ++i) {
      names.push_back(fmt::format("{}.jpg", i));
      list += names.back() + "\n";
      for (int c = 0; c < 3; ++c) captions += fmt::format("{}.jpg\t{}\tA dog number {} runs , {} .\n", i, c, i, c);
    }
    write("flickr8k/dev.txt", list);
    write("flickr8k/captions.tsv", captions);
    write_features("flickr8k", names);
  }
  static const Score& score(const TaskResult& result, const std::string& metric) {
    const auto found = std::ranges::find(result.total.scores, metric, &Score::metric);
    EXPECT_NE(found, result.total.scores.end()) << metric;
    return *found;
  }
};

TEST_F(ImageTasks, ModelThatKnowsNothingScoresChance) {
  write_easy_vqa();
  write_babylm();
  const auto uniform = random_engine(small_config(), 3, OutputHead::kZero);
  for (const char* name : {"easy_vqa", "winoground", "vqa", "devbench_vocabulary", "devbench_grammar"}) {
    const auto result = find_task(name)->run(context(uniform));
    ASSERT_TRUE(result) << result.error().message;
    const Score& per_token = score(*result, "accuracy_per_token");
    EXPECT_NEAR(per_token.value, *per_token.chance, 1e-12) << name;
    EXPECT_LE(per_token.interval->low, *per_token.chance + 1e-12) << name;
    EXPECT_GE(per_token.interval->high, *per_token.chance - 1e-12) << name;
    EXPECT_NEAR(*per_token.no_image, *per_token.chance, 1e-12) << name;
    EXPECT_NEAR(*per_token.shuffled_images, *per_token.chance, 1e-12) << name;
  }
  EXPECT_EQ(*find_task("devbench_grammar")->run(context(engine_))->total.scores.front().no_image, 0.25);
}

TEST_F(ImageTasks, ControlsAreOtherRunsOfTheSameItems) {
  write_easy_vqa();
  TaskContext kept = context(engine_);
  kept.predictions = (folder_ / "kept").string();
  kept.threads = 2;
  const auto result = find_task("easy_vqa")->run(kept);
  ASSERT_TRUE(result) << result.error().message;
  const std::string own = testing_tasks::read_text(folder_ / "kept/easy_vqa.jsonl");
  const std::string blind = testing_tasks::read_text(folder_ / "kept/easy_vqa-no-image.jsonl");
  const std::string shuffled = testing_tasks::read_text(folder_ / "kept/easy_vqa-shuffled-images.jsonl");
  EXPECT_EQ(std::ranges::count(own, '\n'), 40);
  EXPECT_NE(own, blind);
  EXPECT_NE(own, shuffled);
  EXPECT_NE(blind, shuffled);
  // What was kept is not scored again, and gives the same scores.
  std::vector<std::uint64_t> steps;
  kept.progress = [&](std::uint64_t done, std::uint64_t total) {
    steps.push_back(done);
    EXPECT_EQ(total, 120u);
  };
  const auto again = find_task("easy_vqa")->run(kept);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_THAT(steps, ElementsAre(40u, 80u, 120u));
  EXPECT_EQ(again->total.scores.front().value, result->total.scores.front().value);
  EXPECT_EQ(*again->total.scores.front().no_image, *result->total.scores.front().no_image);
}

TEST_F(ImageTasks, EasyVqaAsksAboutHeldOutPicturesOnly) {
  write_easy_vqa();
  const auto set = read_easy_vqa((folder_ / "easy_vqa/questions.json").string());
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->items.size(), 40u);
  EXPECT_THAT(set->items[5].images, ElementsAre("10.png"));
  EXPECT_EQ(set->items[5].choices[0].context, "Question: what 0 is it, 10? Answer:");
  std::vector<std::string> answers;
  for (const Choice& choice : set->items[5].choices) answers.push_back(choice.continuation);
  EXPECT_THAT(answers, ElementsAre(" circle", " no", " red", " teal", " yes"));
  EXPECT_EQ(set->items[5].gold, 1u);  // answers[(10 / 10 + 0) % 5], "no"
  EXPECT_THAT(set->groups, ElementsAre("yes or no", "shape", "color"));
}

TEST_F(ImageTasks, MajorityIsThatOfTheKindOfQuestion) {
  write("easy_vqa/questions.json",
        R"([["a", "yes", 0], ["b", "yes", 0], ["c", "no", 0], ["d", "red", 10], ["e", "blue", 10], ["f", "red", 10]])");
  write_features("easy_vqa", {"0.png", "10.png"});
  const auto result = find_task("easy_vqa")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_DOUBLE_EQ(*result->total.scores.front().majority, 4.0 / 6.0);
  EXPECT_DOUBLE_EQ(*result->parts[0].scores.front().majority, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(*result->total.scores.front().chance, 0.25);
}

TEST_F(ImageTasks, EachImageOfATrialIsShown) {
  write_babylm();
  const auto set = read_devbench((folder_ / "babylm/devbench/assets/gram-trog").string());
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_THAT(set->items[1].images, ElementsAre("a1.png", "b1.png", "c1.png", "d1.png"));
  EXPECT_EQ(set->items[1].choices[2].continuation, "The caption for this image is: thing 1, red.");
  TaskContext kept = context(engine_);
  kept.predictions = (folder_ / "kept").string();
  ASSERT_TRUE(find_task("devbench_grammar")->run(kept));
  const std::string lines = testing_tasks::read_text(folder_ / "kept/devbench_grammar.jsonl");
  const auto values = nlohmann::json::parse(lines.substr(0, lines.find('\n')))["log_likelihoods"];
  for (std::size_t i = 1; i < 4; ++i) EXPECT_NE(values[0], values[i]);
}

TEST_F(ImageTasks, CaptionsEqualTheCaptionEvaluation) {
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
  ASSERT_EQ(result->credits.size(), 9u);
  double sum = 0;
  for (const double credit : result->credits) sum += credit / 9;
  EXPECT_NEAR(sum, scores.cider, 1e-12);
  EXPECT_EQ(find_task("captions")->run(kept)->total.scores[4].value, result->total.scores[4].value);
  kept.memory = false;
  EXPECT_THAT(find_task("captions")->run(kept).error().message, HasSubstr("'memory' is true, here it is false"));
}

// One photo by hand: what the memory holds after its first caption, and what the other two then cost.
TEST_F(ImageTasks, SecondCaptionsAreScoredAfterTheFirstWasWritten) {
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
  EXPECT_NEAR(result->credits[5], nats_per_token(), 1e-12);
  EXPECT_NE(result->credits[5], before);

  const double own = score(*result, "perplexity").value;
  EXPECT_NEAR(score(*result, "lower_than_nothing_written").value,
              1 - own / score(*result, "perplexity_nothing_written").value, 1e-12);
  EXPECT_NE(*score(*result, "perplexity").shuffled_images, own);
  EXPECT_NE(*score(*result, "perplexity").no_image, own);
  TaskContext other = context(engine_);
  other.threads = 3;
  EXPECT_EQ(find_task("second_caption")->run(other)->credits, result->credits);
  other.memory = false;
  const auto off = find_task("second_caption")->run(other);
  ASSERT_TRUE(off) << off.error().message;
  EXPECT_EQ(off->total.scores.size(), 1u);
  EXPECT_EQ(off->total.scores[0].value, score(*result, "perplexity_memory_off").value);

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

TEST_F(ImageTasks, RetrievalOfARandomModelIsChance) {
  write_flickr(60);
  const auto result = find_task("retrieval")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  const Score& recall = score(*result, "text_to_image_recall@10");
  EXPECT_NEAR(*recall.chance, 1.0 / 6.0, 1e-12);
  EXPECT_LE(recall.interval->low, *recall.chance);
  EXPECT_GE(recall.interval->high, *recall.chance);
  EXPECT_NEAR(*score(*result, "image_to_text_recall@1").chance, 1.0 / 60, 1e-12);
  double sum = 0;
  for (const double credit : result->credits) sum += credit / 60;
  EXPECT_NEAR(sum, result->total.scores.front().value, 1e-12);
  TaskContext threaded = context(engine_);
  threaded.threads = 3;
  EXPECT_EQ(find_task("retrieval")->run(threaded)->credits, result->credits);
}

TEST_F(ImageTasks, PixelsNeedATowerAndAreFound) {
  write_flickr(1);
  fs::remove(folder_ / "flickr8k/features.npy");
  const auto why = [&](const TaskContext& run) { return check_runnable(*find_task("captions"), run).error().message; };
  EXPECT_THAT(why(context(engine_)), HasSubstr("flickr8k: has no images, neither a folder 'images' nor features.npy"));
  fs::create_directories(folder_ / "flickr8k/images");
  EXPECT_THAT(why(context(engine_)), HasSubstr("has no vision tower"));
  ModelConfig config = small_config();
  config.vision_width = 12;
  config.tower = small_tower(12);
  const TaskContext seeing = context(random_engine(config, 4));
  EXPECT_TRUE(check_runnable(*find_task("captions"), seeing));
  EXPECT_THAT(find_task("captions")->run(seeing).error().message, HasSubstr("images/0.jpg: no such image"));
  fs::copy_file(BITMAR_SOURCE_DIR "/examples/astronaut.jpg", folder_ / "flickr8k/images/0.jpg");
  EXPECT_TRUE(find_task("captions")->run(seeing));
  EXPECT_TRUE(find_task("retrieval")->run(seeing));
}

TEST_F(ImageTasks, BrokenFilesNameThemselves) {
  write_flickr(2);
  write("flickr8k/dev.txt", "0.jpg\n7.jpg\n");
  EXPECT_THAT(find_task("retrieval")->run(context(engine_)).error().message,
              HasSubstr("captions.tsv: photo '7.jpg' has no reference captions"));
  write("flickr8k/captions.tsv", "0.jpg\t0\tA\n7.jpg\t0\tB\n");
  EXPECT_THAT(find_task("retrieval")->run(context(engine_)).error().message,
              HasSubstr("features.npy: has no row for image '7.jpg'"));
  fs::remove(folder_ / "flickr8k/captions.tsv");
  EXPECT_THAT(find_task("captions")->run(context(engine_)).error().message, HasSubstr("captions.tsv"));
  EXPECT_THAT(error_of("easy_vqa", "easy_vqa/questions.json", R"([["q", "a", 0], ["q", 3, 0]])"),
              HasSubstr("questions.json: entry 1: expected [question, answer, picture's number]"));
  EXPECT_THAT(error_of("easy_vqa", "easy_vqa/questions.json", R"([["q", "a", 3]])"), HasSubstr("held-out picture"));
  EXPECT_THAT(error_of("vqa", "vqa_filtered/a.jsonl", R"({"question": "q", "target_ans": "a", "distractors": []})"),
              HasSubstr("a.jsonl:1: field 'distractors'"));
  EXPECT_THAT(error_of("devbench_grammar", "devbench/assets/gram-trog/manifest.csv", "image1,text1\na,b\n"),
              HasSubstr("manifest.csv: expected columns image1, image2"));
}

TEST_F(ImageTasks, DataMayLieInAFolderEval) {
  write("eval/piqa/validation.jsonl", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 0})");
  EXPECT_TRUE(find_task("piqa")->run(context(engine_)));
}

TEST_F(ImageTasks, PerplexityIsOfTheHeldOutText) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += fmt::format("line {} of text\n", i);
  write("text/a.train", text);
  write("text/b.train", text + "more\n");
  const auto uniform = random_engine(small_config(), 3, OutputHead::kZero);
  for (const char* name : {"perplexity", "streaming_perplexity"}) {
    const auto result = find_task(name)->run(context(uniform));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_NEAR(score(*result, "perplexity").value, 260.0, 1e-6);
    EXPECT_NEAR(score(*result, "perplexity").value, *score(*result, "perplexity").chance, 1e-6);
    EXPECT_NEAR(score(*result, "perplexity_per_byte").value, *score(*result, "perplexity_per_byte").chance, 1e-6);
    ASSERT_EQ(result->parts.size(), 2u);
    EXPECT_EQ(result->parts[1].name, "b");
    EXPECT_EQ(result->credits.size(), result->total.items);
  }
  const auto streamed = find_task("streaming_perplexity")->run(context(engine_));
  EXPECT_EQ(score(*streamed, "session_growth_bytes").value, 0.0);
  EXPECT_NEAR(score(*streamed, "ratio_to_window").value,
              score(*streamed, "perplexity").value / score(*streamed, "perplexity_in_window").value, 1e-12);
  EXPECT_EQ(score(*streamed, "perplexity_in_window").value,
            score(*find_task("perplexity")->run(context(engine_)), "perplexity").value);
  TaskContext file = context(engine_);
  file.data.clear();
  file.text = (folder_ / "text/b.train").string();
  EXPECT_EQ(find_task("perplexity")->run(file)->parts.size(), 1u);
  write("text/a.train", "a\n");
  EXPECT_THAT(find_task("perplexity")->run(context(engine_)).error().message, HasSubstr("a has 1 tokens; expected at"));
}

TEST_F(ImageTasks, ReadingGainOfAModelThatKnowsNothingIsChance) {
  std::string table =
      "item,word,Subtlex_log10,length,context_length,RTfirstfix,RTfirstpass,RTgopast,RTrightbound,"
      "self_paced_reading_time,prev_word,prev_item,prev_length\n";
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const double time = 200 + 30 * random.normal();
    table += fmt::format("\"well, {0}\",word{1},{2},{3},{4},{5},{6},{5},{6},{7},{8}\n", i, i % 7, 5 + random.normal(),
                         4 + i % 7, 1 + i % 5, time, time + 10 * random.normal(), 300 + 20 * random.normal(),
                         i % 5 == 0 ? ",," : "\"well,\",so,5");
  }
  write("babylm/reading/reading_data.csv", table);
  const auto result = find_task("reading")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->total.items, 300u);
  EXPECT_EQ(result->parts.size(), 4u);
  const Score& eyes = score(*result, "eye_tracking_gain");
  EXPECT_NEAR(*eyes.chance, 100.0 / (300 - 7), 1e-12);
  EXPECT_GE(eyes.value, 0.0);
  EXPECT_LT(eyes.value, 3.0);  // of noise: three times the deviation of a share of one in 293 is 1.4
  EXPECT_NEAR(*score(*result, "self_paced_gain").chance, 100.0 / (240 - 16), 1e-12);
}

TEST_F(ImageTasks, TablesAreReadAsTheirFormatSays) {
  const auto table = CsvTable::read(write("a.csv", "a,b\r\n\"x, \"\"y\"\"\",1.5\r\n\n\"two\nlines\",\n").string());
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_EQ(table->rows(), 2u);
  EXPECT_EQ(table->text(0, 0), "x, \"y\"");
  EXPECT_EQ(table->text(1, 0), "two\nlines");
  EXPECT_EQ(**table->number(0, 1), 1.5);
  EXPECT_FALSE(table->number(1, 1)->has_value());
  EXPECT_THAT(table->number(1, 0).error().message, HasSubstr("a.csv:4: column 'a' must be a number or empty"));
  EXPECT_THAT(table->column("c").error().message, HasSubstr("has no column 'c'"));
  EXPECT_THAT(CsvTable::read(write("b.csv", "a,b\n1\n").string()).error().message, HasSubstr("b.csv:2: has 1 fields"));
  EXPECT_THAT(CsvTable::read(write("c.csv", "a\n\"1\n").string()).error().message, HasSubstr("a quote does not end"));
  EXPECT_THAT(CsvTable::read(write("d.csv", "a\n").string()).error().message, HasSubstr("no rows"));
}

}  // namespace
}  // namespace bitmar
