// Runs that were interrupted and go on: each task gives what it gives when nothing interrupts it, bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "eval/registry/image_tasks_test_support.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing_tasks::read_text;

class InterruptedRuns : public testing_tasks::ImageTasks {
 protected:
  void SetUp() override {
    ImageTasks::SetUp();
    context_ = context(engine_);
    context_.threads = 2;
    context_.predictions = (folder_ / "kept").string();
    write_flickr(9);
    for (const char* domain : {"a", "b"}) write(fmt::format("text/{}.train", domain), lines_of(domain));
  }
  static std::string lines_of(const std::string& domain) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += fmt::format("{} number {} of {} lines\n", domain, i * i, 30);
    return text;
  }
  // The names and texts of all files of predictions.
  std::map<std::string, std::string> kept() const {
    std::map<std::string, std::string> files;
    for (const auto& file : fs::directory_iterator(context_.predictions)) {
      files[file.path().filename().string()] = read_text(file.path());
    }
    return files;
  }
  // The file as an interruption leaves it: so much of its lines, the last one torn.
  void interrupt(const std::string& name, double share) const {
    const fs::path path = fs::path(context_.predictions) / name;
    const std::string text = read_text(path);
    fs::remove(path);
    const auto size = static_cast<std::size_t>(share * static_cast<double>(text.size()));
    testing::write_file(path.string() + ".partial", text.substr(0, size));
  }
  TaskResult run(const char* task) {
    done_.clear();
    context_.progress = [&](std::uint64_t done, std::uint64_t total) {
      done_.push_back(done);
      total_ = total;
    };
    auto result = find_task(task)->run(context_);
    if (!result) {
      ADD_FAILURE() << task << ": " << result.error().message;
      return {};
    }
    EXPECT_EQ(done_.empty() ? 0 : done_.back(), total_);
    return *std::move(result);
  }
  std::string error(const char* task) const {
    const auto result = find_task(task)->run(context_);
    return result ? "no error" : result.error().message;
  }
  // How far a step of the last run's progress went. What an earlier run left of a task's n-th file is its n-th step.
  std::uint64_t step(std::size_t n) const { return n < done_.size() ? done_[n] - (n > 0 ? done_[n - 1] : 0) : 0; }
  std::size_t lines(const std::string& name) const {
    const std::string text = read_text(fs::path(context_.predictions) / name);
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }
  static void expect_equal(const TaskResult& one, const TaskResult& other) {
    ASSERT_EQ(one.total.scores.size(), other.total.scores.size());
    for (std::size_t i = 0; i < one.total.scores.size(); ++i) {
      const Score& score = one.total.scores[i];
      EXPECT_EQ(score.value, other.total.scores[i].value) << one.task << " " << score.metric;
      EXPECT_EQ(score.no_image, other.total.scores[i].no_image) << one.task << " " << score.metric;
      EXPECT_EQ(score.shuffled_images, other.total.scores[i].shuffled_images) << one.task << " " << score.metric;
    }
    EXPECT_EQ(one.values.values, other.values.values) << one.task;
  }

  TaskContext context_;
  std::vector<std::uint64_t> done_;
  std::uint64_t total_ = 0;
};

TEST_F(InterruptedRuns, GoOnWhereTheyStoppedAndGiveTheSame) {
  // The files, in the order in which they are written.
  const std::map<const char*, std::vector<std::string>> tasks = {
      {"captions", {"captions.jsonl"}},
      {"retrieval", {"retrieval.jsonl"}},
      {"second_caption", {"second_caption.jsonl"}},
      {"perplexity", {"perplexity.jsonl", "perplexity-at-training-length.jsonl"}},
      {"streaming_perplexity",
       {"perplexity.jsonl", "streaming_perplexity.jsonl", "streaming_perplexity-writing-episodes.jsonl"}},
  };
  TaskContext plain = context(engine_);
  for (const auto& [task, files] : tasks) {
    const TaskResult whole = run(task);
    expect_equal(*find_task(task)->run(plain), whole);
    const auto before = kept();
    expect_equal(run(task), whole);  // nothing is left to do
    EXPECT_EQ(done_.size(), files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      ASSERT_TRUE(before.contains(files[i])) << files[i];
      run(task);
      const std::uint64_t complete = step(i);
      const std::size_t items = lines(files[i]);
      for (const double share : {0.0, 0.4, 0.999}) {
        interrupt(files[i], share);
        const std::size_t left = lines(files[i] + ".partial");
        context_.threads = 3 - context_.threads;
        expect_equal(run(task), whole);
        EXPECT_EQ(kept(), before) << files[i] << " " << share;
        EXPECT_EQ(step(i), complete / items * left) << files[i] << " " << share;
      }
    }
  }
}

TEST_F(InterruptedRuns, TheLossesInWindowsAreSharedByBothPerplexities) {
  const TaskResult perplexity = run("perplexity");
  run("streaming_perplexity");
  EXPECT_EQ(done_.front(), total_ / 3);
  EXPECT_EQ(done_[1], done_.front());  // the stream begins
  const TaskResult alone = *find_task("streaming_perplexity")->run(context(engine_));
  EXPECT_EQ(score(alone, "perplexity_in_window").value, score(perplexity, "perplexity").value);
}

TEST_F(InterruptedRuns, LinesSayWhatWasMeasured) {
  for (const char* task : {"captions", "retrieval", "second_caption", "streaming_perplexity"}) run(task);
  const auto first_line = [&](const std::string& task) {
    std::ifstream file(fs::path(context_.predictions) / (task + ".jsonl"));
    std::string line;
    std::getline(file, line);
    return nlohmann::json::parse(line);
  };
  const auto captions = nlohmann::json::parse(read_text(fs::path(context_.predictions) / "captions.json"));
  ASSERT_EQ(captions.size(), 9u);
  EXPECT_EQ(first_line("captions")["id"], "0.jpg");
  EXPECT_EQ(first_line("captions")["caption"], captions[0]["caption"]);
  EXPECT_EQ(first_line("retrieval")["image"].size(), engine_->config().width);
  EXPECT_EQ(first_line("retrieval")["captions"].size(), 3u);
  const nlohmann::json losses = first_line("second_caption");
  for (const char* key : {"nats", "nats_no_image"}) EXPECT_EQ(losses[key].size(), 4u) << key;
  EXPECT_NE(losses["nats"]["own"], losses["nats"]["another"]);
  const nlohmann::json block = first_line("streaming_perplexity");
  EXPECT_EQ(block["id"], "a_0");
  EXPECT_EQ(block["tokens"], static_cast<double>(engine_->config().cache_tokens() / 2));

  context_.memory = false;
  for (const char* task : {"captions", "retrieval", "second_caption", "perplexity", "streaming_perplexity"}) {
    EXPECT_THAT(error(task), HasSubstr("'memory' is true, here it is false"));
  }
  context_.predictions += "-memory-off";
  run("second_caption");
  EXPECT_EQ(first_line("second_caption")["nats"].size(), 1u);
}

TEST_F(InterruptedRuns, PredictionsOfOtherTextAreRefused) {
  run("perplexity");
  write("text/a.train", lines_of("c"));
  for (const char* task : {"perplexity", "streaming_perplexity"}) {
    EXPECT_THAT(error(task), HasSubstr("perplexity.run.json"));
  }
}

TEST_F(InterruptedRuns, AFinishedFileWithADamagedLineIsRefused) {
  const std::map<const char*, std::vector<std::pair<const char*, nlohmann::json>>> damages = {
      {"captions", {{"caption", 3}, {"id", "1.jpeg"}}},
      {"retrieval", {{"image", 3}, {"image", {0.5}}, {"captions", nlohmann::json::object()}, {"captions", {{0.5}}}}},
      {"second_caption", {{"tokens", "many"}, {"nats", 1}, {"nats", {{"own", 1}}}, {"nats_no_image", nullptr}}},
      {"perplexity", {{"nats", "x"}, {"tokens", nullptr}, {"words", {1}}, {"bytes", "1"}}},
      {"streaming_perplexity", {{"nats", nullptr}, {"session_growth", 0.5}, {"session_growth", "0"}}},
  };
  for (const auto& [task, fields] : damages) {
    run(task);
    const fs::path path = fs::path(context_.predictions) / (std::string(task) + ".jsonl");
    const std::string whole = read_text(path);
    const std::size_t begin = whole.find('\n') + 1;
    const std::size_t size = whole.find('\n', begin) - begin;
    const std::string refused = fmt::format("{}.jsonl: line 2 of {} is missing or not", task, lines(path.filename()));
    for (const auto& [key, value] : fields) {
      auto line = nlohmann::ordered_json::parse(whole.substr(begin, size));
      line[key] = value;
      testing::write_file(path.string(), std::string(whole).replace(begin, size, line.dump()));
      EXPECT_THAT(error(task), HasSubstr(refused)) << key << " " << value;
      line.erase(key);
      testing::write_file(path.string(), std::string(whole).replace(begin, size, line.dump()));
      EXPECT_THAT(error(task), HasSubstr(refused)) << key;
    }
    testing::write_file(path.string(), std::string(whole).replace(begin, size, "x"));
    EXPECT_THAT(error(task), HasSubstr(refused));
    testing::write_file(path.string(), whole.substr(0, begin));
    EXPECT_THAT(error(task), HasSubstr(refused));
    testing::write_file(path.string(), whole);
    EXPECT_EQ(error(task), "no error");
  }
}

TEST_F(InterruptedRuns, NamesThatAreNotUtf8GoOn) {
  fs::remove_all(folder_ / "text");
  write("text/caf\xE9.train", lines_of("a"));
  const TaskResult whole = run("perplexity");
  const auto before = kept();
  interrupt("perplexity.jsonl", 0.6);
  expect_equal(run("perplexity"), whole);
  EXPECT_EQ(kept(), before);
  EXPECT_GT(done_.front(), 0u);
}

TEST_F(InterruptedRuns, CaptionsOfAnOlderVersionAreNotReplaced) {
  write("kept/captions.json", "[]");
  EXPECT_THAT(error("captions"), HasSubstr("kept/captions.json: there is no captions.jsonl beside it"));
  EXPECT_EQ(read_text(folder_ / "kept/captions.json"), "[]");
}

}  // namespace
}  // namespace bitmar
