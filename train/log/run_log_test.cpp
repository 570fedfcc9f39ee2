#include "log/run_log.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "log/progress.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;

class RunLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "bitmar_run_log";
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  RunLog open(std::optional<std::uint64_t> resume) const {
    auto log = RunLog::open(folder_.string(), resume);
    EXPECT_TRUE(log) << log.error().message;
    return *std::move(log);
  }
  std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> all;
    std::ifstream file(folder_ / "log.jsonl");
    for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  fs::path folder_;
};

TEST_F(RunLogTest, OneLineAStepWithScalarsAndTexts) {
  RunLog log = open(std::nullopt);
  log.scalar("loss/lm", 3.25);
  log.scalar("loss/bad", NAN);
  log.text("sample", "A dog.");
  log.vector("usage", std::vector<float>{0, 0.123456f, 1, NAN, -3.21987e-5f});
  log.histogram("weights", std::vector<float>{1, 2, 3});
  log.heat_map("map", std::vector<float>{0, 1, 2, 4}, 2, 2);
  ASSERT_TRUE(log.commit(10));
  ASSERT_TRUE(log.commit(11));  // nothing collected
  log.image("only", std::vector<std::uint8_t>(3), 1, 1, 3);
  ASSERT_TRUE(log.commit(12));  // no line for images alone
  ASSERT_TRUE(log.flush());
  const auto all = lines();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["step"], 10);
  EXPECT_EQ(all[0]["loss/lm"], 3.25);
  EXPECT_TRUE(all[0]["loss/bad"].is_null());
  EXPECT_EQ(all[0]["sample"], "A dog.");
  EXPECT_EQ(all[0]["usage"].dump(), "[0.0,0.1235,1.0,null,-3.22e-05]");
}

TEST_F(RunLogTest, ResumingCutsBackToTheCheckpoint) {
  {
    RunLog log = open(std::nullopt);
    for (const std::uint64_t step : {1u, 2u, 3u, 4u}) {
      log.scalar("x", static_cast<double>(step));
      ASSERT_TRUE(log.commit(step));
    }
  }
  std::ofstream(folder_ / "log.jsonl", std::ios::app) << "{\"step\": 5, \"torn";
  {
    RunLog log = open(2);
    log.scalar("x", 30);
    ASSERT_TRUE(log.commit(3));
  }
  const auto all = lines();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1]["x"], 2);
  EXPECT_EQ(all[2]["x"], 30);
  { open(std::nullopt); }
  EXPECT_TRUE(lines().empty());
}

TEST_F(RunLogTest, ImagesOfAnImpossibleSizeFailTheCommit) {
  RunLog log = open(std::nullopt);
  log.image("bad", std::vector<std::uint8_t>(5), 2, 2, 1);
  EXPECT_FALSE(log.commit(1));
}

TEST(Progress, Lines) {
  EXPECT_EQ(progress_line("train", 2400, 6000, 12345, 200, "loss 3.21", true),
            "train  [#########...............]   40%  2400/6000  12.3 k tok/s  ETA 3:20  loss 3.21");
  EXPECT_EQ(progress_line("prepare", 0, 0, 0, INFINITY, "", false), "prepare  100%  0/0  ETA ?");
  EXPECT_EQ(short_count(950), "950");
  EXPECT_EQ(short_count(1.25e6), "1.2 M");
  EXPECT_EQ(short_duration(3723), "1:02:03");
  EXPECT_EQ(short_duration(59.6), "1:00");
}

TEST(Progress, PlainLinesWhereThereIsNoTerminal) {
  std::FILE* const file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    Progress progress(file, "work", 3, 0, 3600);
    for (std::uint64_t i = 1; i <= 3; ++i) progress.update(i, 0, "");  // only the last one is due
  }
  std::rewind(file);
  char text[200] = {};
  const std::size_t size = std::fread(text, 1, sizeof(text) - 1, file);
  std::fclose(file);
  EXPECT_EQ(std::string(text, size), "work  100%  3/3  ETA 0:00\n");
}

}  // namespace
}  // namespace bitmar
