// Predictions that an earlier run has left: when they are taken over, and what their lines hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <set>

#include "eval/registry/image_tasks_test_support.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::random_engine;
using testing::small_config;
using testing::small_tower;
using testing_tasks::read_text;

class KeptPredictions : public testing_tasks::ImageTasks {
 protected:
  void SetUp() override {
    ImageTasks::SetUp();
    kept_.engine = engine_;
    kept_.data = folder_.string();
    kept_.predictions = (folder_ / "kept").string();
  }
  std::string error(const char* task) const {
    const auto result = find_task(task)->run(kept_);
    return result ? "no error" : result.error().message;
  }
  void place_photo(const char* photo, const std::string& name) const {
    fs::create_directories((folder_ / name).parent_path());
    fs::copy_file(fs::path(BITMAR_SOURCE_DIR "/examples") / photo, folder_ / name,
                  fs::copy_options::overwrite_existing);
  }
  std::vector<nlohmann::json> lines(const char* task) const {
    std::vector<nlohmann::json> all;
    std::ifstream file(folder_ / "kept" / (std::string(task) + ".jsonl"));
    for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  // As a file is that was written again in place, with as many bytes.
  void touch(const std::string& name) const {
    const fs::path path = folder_ / name;
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  }
  static std::shared_ptr<const Engine> engine_with_tower() {
    ModelConfig config = small_config();
    config.vision_width = 12;
    config.tower = small_tower(12);
    return random_engine(config, 4);
  }

  TaskContext kept_;
};

TEST_F(KeptPredictions, OfOtherPhotosAreRefused) {
  kept_.engine = engine_with_tower();
  write("easy_vqa/questions.json", R"([["what?", "yes", 0], ["what?", "no", 10]])");
  place_photo("astronaut.jpg", "easy_vqa/images/0.png");
  place_photo("coffee.jpg", "easy_vqa/images/10.png");
  place_photo("rocket.jpg", "easy_vqa/images/11.png");
  ASSERT_EQ(error("easy_vqa"), "no error");
  EXPECT_EQ(error("easy_vqa"), "no error");
  place_photo("chelsea.jpg", "easy_vqa/images/11.png");  // which no item names
  EXPECT_EQ(error("easy_vqa"), "no error");
  place_photo("chelsea.jpg", "easy_vqa/images/10.png");
  const auto refused = AllOf(HasSubstr("easy_vqa.run.json"), HasSubstr("'image_files_sha256'"));
  EXPECT_THAT(error("easy_vqa"), refused);
  // What was measured without them holds; the rest is measured anew where the user says so.
  const std::string blind = read_text(folder_ / "kept/easy_vqa-no-image.jsonl");
  for (const char* task : {"easy_vqa", "easy_vqa-shuffled-images"}) {
    fs::remove(folder_ / "kept" / (std::string(task) + ".jsonl"));
  }
  EXPECT_EQ(error("easy_vqa"), "no error");
  EXPECT_EQ(read_text(folder_ / "kept/easy_vqa-no-image.jsonl"), blind);
  touch("easy_vqa/images/0.png");
  EXPECT_THAT(error("easy_vqa"), refused);
}

TEST_F(KeptPredictions, OfOtherFeaturesAreRefused) {
  write_easy_vqa();
  write_flickr(3);
  for (const char* task : {"easy_vqa", "captions"}) ASSERT_EQ(error(task), "no error");
  touch("easy_vqa/features.npy");
  touch("flickr8k/features.npy.txt");
  for (const char* task : {"easy_vqa", "captions"}) EXPECT_THAT(error(task), HasSubstr("'image_files_sha256'"));
}

TEST_F(KeptPredictions, OfAnotherTowerAreRefused) {
  kept_.engine = engine_with_tower();
  write_flickr(1);
  fs::remove(folder_ / "flickr8k/features.npy");
  place_photo("astronaut.jpg", "flickr8k/images/0.jpg");
  kept_.tower = write("tower.gguf", "one").string();
  ASSERT_EQ(error("captions"), "no error");
  EXPECT_EQ(error("captions"), "no error");
  write("tower.gguf", "two");
  EXPECT_THAT(error("captions"), HasSubstr("'tower_sha256'"));
  kept_.tower.clear();
  EXPECT_THAT(error("captions"), HasSubstr("'tower_sha256'"));
}

TEST_F(KeptPredictions, OfAnotherProgramAreRefused) {
  write_all(1);
  ASSERT_EQ(error("comps"), "no error");
  const fs::path binding = folder_ / "kept/comps.run.json";
  const auto json = nlohmann::ordered_json::parse(read_text(binding));
  for (const char* key : {"program", "format"}) {
    auto other = json;
    other[key] = "0.0.1";
    testing::write_file(binding.string(), other.dump());
    EXPECT_THAT(error("comps"), HasSubstr(std::string("'") + key + "' is \"0.0.1\", here it is"));
  }
}

TEST_F(KeptPredictions, NameTheWholeTextWhereChoicesShareTheirEnd) {
  write_all(1);
  for (const char* task : {"comps", "winogrande"}) {
    ASSERT_EQ(error(task), "no error");
    EXPECT_EQ(error(task), "no error");
    for (const nlohmann::json& line : lines(task)) {
      EXPECT_THAT(line["pred"].get<std::string>(), MatchesRegex("[A-Z].+ .+[.]")) << task;
    }
  }
  for (const nlohmann::json& line : lines("comps")) {
    const std::string id = line["id"];
    const std::string good = "A dog " + id.substr(id.rfind('_') + 1) + " can bark.";
    EXPECT_EQ(line["pred"], line["choice"] == 0 ? good : "A stone can bark.");
  }
}

TEST_F(KeptPredictions, NameTheImageWhereChoicesShareTheirText) {
  write_babylm();
  ASSERT_EQ(error("devbench_grammar"), "no error");
  EXPECT_EQ(error("devbench_grammar"), "no error");
  std::set<std::string> named;
  const auto all = lines("devbench_grammar");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t choice = all[i]["choice"];
    EXPECT_EQ(all[i]["pred"], fmt::format("{}{}.png", "abcd"[choice], i));
    named.insert(all[i]["pred"]);
  }
  EXPECT_EQ(named.size(), all.size());
}

TEST_F(KeptPredictions, HoldTheProbabilityThatPeopleAreComparedWith) {
  write_all(1);
  ASSERT_EQ(error("wug_past_tense"), "no error");
  EXPECT_EQ(error("wug_past_tense"), "no error");
  for (const nlohmann::json& line : lines("wug_past_tense")) {
    const double first = std::exp(line["log_likelihoods"][0].get<double>());
    const double second = std::exp(line["log_likelihoods"][1].get<double>());
    EXPECT_NEAR(line["prob"].get<double>(), first / (first + second), 1e-9);
    EXPECT_FALSE(line.contains("gold"));
  }
  ASSERT_EQ(error("blimp_fast"), "no error");
  EXPECT_FALSE(lines("blimp_fast").front().contains("prob"));
}

TEST_F(KeptPredictions, OfReadingAreSurprisalsAndGoOn) {
  write("babylm/reading/reading_data.csv", testing_tasks::made_up_reading_times(5));
  const auto whole = find_task("reading")->run(kept_);
  ASSERT_TRUE(whole) << whole.error().message;
  const fs::path path = folder_ / "kept/reading.jsonl";
  const std::string text = read_text(path);
  const auto all = lines("reading");
  ASSERT_EQ(all.size(), 300u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]["id"], fmt::format("reading_{}", i));
    EXPECT_EQ(all[i]["pred"].get<double>(), -all[i]["log_likelihoods"][0].get<double>());
    EXPECT_EQ(all[i]["prev_pred"].is_null(), i % 5 == 0);
    EXPECT_FALSE(all[i].contains("choice"));
  }
  EXPECT_EQ(all[1]["prev_pred"].get<double>(), -all[1]["log_likelihoods"][1].get<double>());

  fs::remove(path);
  testing::write_file(path.string() + ".partial", text.substr(0, text.size() / 2));
  std::vector<std::uint64_t> steps;
  kept_.progress = [&](std::uint64_t done, std::uint64_t) { steps.push_back(done); };
  const auto resumed = find_task("reading")->run(kept_);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_GT(steps.front(), 100u);
  EXPECT_EQ(steps.back(), 300u);
  EXPECT_EQ(read_text(path), text);
  EXPECT_EQ(resumed->total.scores.front().value, whole->total.scores.front().value);
  kept_.memory = false;
  EXPECT_THAT(error("reading"), HasSubstr("'memory' is true, here it is false"));
}

}  // namespace
}  // namespace bitmar
