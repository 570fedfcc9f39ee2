// Runs that were interrupted and go on: each task gives what it gives when nothing interrupts it, bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

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
    EXPECT_TRUE(result) << task << ": " << result.error().message;
    EXPECT_EQ(done_.back(), total_);
    return result ? *std::move(result) : TaskResult();
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
  const std::map<const char*, std::vector<std::string>> tasks = {
      {"captions", {"captions.jsonl"}},
      {"retrieval", {"retrieval.jsonl"}},
      {"second_caption", {"second_caption.jsonl"}},
      {"perplexity", {"perplexity.jsonl", "perplexity-at-training-length.jsonl"}},
      {"streaming_perplexity", {"streaming_perplexity.jsonl", "streaming_perplexity-writing-episodes.jsonl"}},
  };
  TaskContext plain = context(engine_);
  for (const auto& [task, files] : tasks) {
    const TaskResult whole = run(task);
    expect_equal(*find_task(task)->run(plain), whole);
    const auto before = kept();
    for (const std::string& file : files) {
      ASSERT_TRUE(before.contains(file)) << file;
      for (const double share : {0.0, 0.4, 0.999}) {
        interrupt(file, share);
        expect_equal(run(task), whole);
        EXPECT_EQ(kept(), before) << file << " " << share;
        if (share > 0) {
          EXPECT_GT(done_.front(), 0u) << file << " " << share;
        }
      }
    }
    // Nothing is left to do.
    expect_equal(run(task), whole);
    EXPECT_EQ(kept(), before);
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
  for (const char* task : {"captions", "retrieval", "second_caption", "perplexity"}) {
    EXPECT_THAT(find_task(task)->run(context_).error().message, HasSubstr("'memory' is true, here it is false"));
  }
  context_.predictions += "-memory-off";
  run("second_caption");
  EXPECT_EQ(first_line("second_caption")["nats"].size(), 1u);
}

TEST_F(InterruptedRuns, PredictionsOfOtherTextAreRefused) {
  run("perplexity");
  write("text/a.train", lines_of("c"));
  for (const char* task : {"perplexity", "streaming_perplexity"}) {
    EXPECT_THAT(find_task(task)->run(context_).error().message, HasSubstr("perplexity.run.json"));
  }
}

TEST_F(InterruptedRuns, AFinishedFileWithADamagedLineIsRefused) {
  for (const char* task : {"captions", "retrieval", "second_caption", "perplexity"}) {
    run(task);
    const fs::path path = fs::path(context_.predictions) / (std::string(task) + ".jsonl");
    std::string text = read_text(path);
    const std::size_t second = text.find('\n') + 1;
    testing::write_file(path.string(), text.insert(text.find(':', second), "x"));
    EXPECT_THAT(find_task(task)->run(context_).error().message,
                HasSubstr(fmt::format("{}.jsonl: line 2 is not the prediction of its item", task)));
  }
}

}  // namespace
}  // namespace bitmar
