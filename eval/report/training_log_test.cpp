#include "eval/report/training_log.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "eval/report/page.h"
#include "eval/report/training_figures.h"

namespace bitmar::report {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TrainingLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "bitmar_training_log";
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write_run(const std::string& name, const std::string& lines, const std::string& config = {}) const {
    fs::create_directories(folder_ / name / "log");
    std::ofstream(folder_ / name / "log" / "log.jsonl") << lines;
    if (!config.empty()) std::ofstream(folder_ / name / "config.toml") << config;
    return (folder_ / name).string();
  }
  static Result<TrainingLog> read(const std::vector<std::string>& runs) { return read_training_log(runs); }

  fs::path folder_;
};

std::vector<double> steps_of(std::span<const Point> points) {
  std::vector<double> steps;
  for (const Point& point : points) steps.push_back(point.x);
  return steps;
}

TEST_F(TrainingLogTest, ScalarsVectorsAndTexts) {
  const auto log =
      read({write_run("a",
                      "{\"step\": 1, \"time\": 100.5, \"loss\": 3.5, \"controller\": \"freeze\"}\n"
                      "{\"step\": 2, \"time\": 101, \"loss\": null, \"slots\": [0.25, null, 0.5]}\n"
                      "{\"step\": 4, \"time\": 103, \"loss\": 3, \"zeros/a\": 0.4, \"zeros/b.c\": 0.3}\n")});
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_THAT(steps_of(log->scalar("loss")), ElementsAre(1, 2, 4));
  EXPECT_TRUE(log->scalar("loss")[1].is_gap());
  EXPECT_EQ(log->scalar("loss")[2].y, 3.0);
  EXPECT_TRUE(log->scalar("other").empty());
  ASSERT_EQ(log->vector("slots").size(), 1u);
  EXPECT_EQ(log->vector("slots")[0].step, 2);
  EXPECT_EQ(log->vector("slots")[0].values[2], 0.5);
  EXPECT_TRUE(std::isnan(log->vector("slots")[0].values[1]));
  EXPECT_EQ(log->texts.at("controller")[0].text, "freeze");
  ASSERT_EQ(log->stages.size(), 1u);
  EXPECT_EQ(log->stages[0].name, "a");
  EXPECT_EQ(log->stages[0].last_step, 4);
  EXPECT_EQ(log->stages[0].last_time - log->stages[0].first_time, 2.5);
  const auto zeros = log->scalars_of("zeros/", "");
  ASSERT_EQ(zeros.size(), 2u);
  EXPECT_EQ(zeros[1].first, "b.c");
}

TEST_F(TrainingLogTest, StagesAreJoinedWithAGap) {
  const std::string first = write_run("first", "{\"step\": 5, \"x\": 1}\n{\"step\": 10, \"x\": 2}\n");
  const std::string second = write_run("second", "{\"step\": 5, \"x\": 3, \"y\": 7}\n{\"step\": 6, \"x\": 4}\n");
  const auto log = read({first, second});
  ASSERT_TRUE(log) << log.error().message;
  const auto x = log->scalar("x");
  EXPECT_THAT(steps_of(x), ElementsAre(5, 10, 10, 15, 16));
  EXPECT_TRUE(x[2].is_gap());
  EXPECT_EQ(x[3].y, 3.0);
  EXPECT_THAT(steps_of(log->scalar("y")), ElementsAre(15));  // nothing before it: no gap
  EXPECT_EQ(log->stages[1].first_step, 10);
  EXPECT_EQ(log->stages[1].last_step, 16);
}

TEST_F(TrainingLogTest, AnUnfinishedLastLineIsLeftOut) {
  const auto log = read({write_run("a", "{\"step\": 1, \"x\": 1}\n{\"step\": 2, \"x\"")});
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(log->scalar("x").size(), 1u);
}

TEST_F(TrainingLogTest, ErrorsNameFileAndLine) {
  const struct {
    const char* lines;
    const char* where;
    const char* what;
  } cases[] = {
      {"{\"step\": 1}\n\n{\"step\": 2,\n", "log.jsonl:3: ", "JSON object"},
      {"{\"step\": 1}\n[1]\n", "log.jsonl:2: ", "JSON object"},
      {"{\"loss\": 1}\n", "log.jsonl:1: ", "'step'"},
      {"{\"step\": -1}\n", "log.jsonl:1: ", "'step'"},
      {"{\"step\": 2}\n{\"step\": 1}\n", "log.jsonl:2: ", "must not fall"},
      {"{\"step\": 1, \"x\": true}\n", "log.jsonl:1: ", "'x' must be a number"},
      {"{\"step\": 1, \"x\": [1, \"2\"]}\n", "log.jsonl:1: ", "'x' must be a number"},
      {"{\"step\": 1, \"time\": \"now\"}\n", "log.jsonl:1: ", "'time'"},
      {"", "log.jsonl: ", "no lines"},
  };
  for (const auto& [lines, where, what] : cases) {
    const auto log = read({write_run("bad", lines)});
    ASSERT_FALSE(log) << lines;
    EXPECT_THAT(log.error().message, ::testing::AllOf(HasSubstr(where), HasSubstr(what))) << lines;
    EXPECT_EQ(log.error().code, ErrorCode::kInvalidFile);
  }
  const auto missing = read({(folder_ / "nowhere").string()});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("nowhere"));
}

TEST_F(TrainingLogTest, TablesHaveSettingsAndLastValues) {
  const std::string config =
      "[train]\nsteps = 20\nautocast = \"bf16\"\n[model]\nwidth = 16\n"
      "[[data.train]]\nname = \"photos\"\nsources = [\"a\", \"b\"]\nrows = 6\n";
  const auto log = read({write_run(
      "a", "{\"step\": 1, \"loss/<lm>\": 3.5, \"scale/x\": 1}\n{\"step\": 2, \"loss/<lm>\": null}\n", config)});
  ASSERT_TRUE(log) << log.error().message;
  const auto tables = report_tables(*log);
  ASSERT_TRUE(tables) << tables.error().message;
  ASSERT_EQ(tables->size(), 3u);
  EXPECT_EQ((*tables)[0].rows[0].value, "3.500 (step 1)");
  EXPECT_EQ((*tables)[1].rows[0].name, "scale/x");
  EXPECT_FALSE((*tables)[1].open);
  const auto& settings = (*tables)[2].rows;
  ASSERT_EQ(settings.size(), 4u);
  EXPECT_EQ(settings[0].name + "=" + settings[0].value, "train.steps=20");
  EXPECT_EQ(settings[2].name + "=" + settings[2].value, "model.width=16");
  EXPECT_EQ(settings[3].name + "=" + settings[3].value, "data.train: photos=sources a, b; rows 6");
  const std::string html = report_page({.title = "A & B", .lead = "", .tables = *tables});
  EXPECT_THAT(html, HasSubstr("<h1>A &amp; B</h1>"));
  EXPECT_THAT(html, HasSubstr("loss/&lt;lm&gt;"));

  const auto broken = read({write_run("b", "{\"step\": 1}\n", "[train]\nsteps = \n")});
  ASSERT_TRUE(broken);
  const auto refused = report_tables(*broken);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("b/config.toml:2"));
}

TEST_F(TrainingLogTest, CaptionsSayWhereALossIsOfOneStep) {
  const auto run = [&](const std::string& name, std::size_t streams_a_line, std::size_t every, std::size_t lines) {
    std::string text;
    for (std::size_t line = 1; line <= lines; ++line) {
      text += "{\"step\": " + std::to_string(every * line) + ", \"loss/language\": 3, \"loss/contrast\": 2";
      for (std::size_t i = 0; i < streams_a_line; ++i) {
        text += ", \"stream/" + std::to_string((line + i) % 2) + "/loss\": 3";
      }
      text += "}\n";
    }
    return write_run(name, text);
  };
  const auto captions = [&](const std::vector<std::string>& runs) {
    std::map<std::string, std::string> found;
    const auto log = read(runs);
    EXPECT_TRUE(log);
    const auto made = training_figures(*log);
    EXPECT_TRUE(made);
    for (const Figure& figure : made->figures) found[figure.id] = figure.caption;
    return found;
  };
  const std::string means = run("means", 2, 20, 12);
  const std::string single = run("single", 1, 20, 12);
  EXPECT_THAT(captions({single})["loss"], HasSubstr("The logged losses are of single steps"));
  EXPECT_THAT(captions({means, single})["contrast"], HasSubstr("In stage 2 the logged losses are of single steps"));
  EXPECT_THAT(captions({single, means, single})["loss"], HasSubstr("In stages 1, 3 the logged"));
  // Means over several steps, every step logged, too few lines to tell.
  for (const std::string& other : {means, run("every", 1, 1, 12), run("brief", 1, 20, 9)}) {
    EXPECT_EQ(captions({other})["loss"], "By stream of the mixture, and the mean of all.") << other;
  }
  // The settings tell of streams that no line has.
  std::string one;
  for (int step = 20; step <= 240; step += 20)
    one += "{\"step\": " + std::to_string(step) + ", \"stream/a/loss\": 3}\n";
  EXPECT_FALSE(read({write_run("one", one)})->stages[0].logs_single_steps);
  const std::string mixture = "[[data.train]]\nname = \"a\"\n[[data.train]]\nname = \"b\"\n";
  EXPECT_TRUE(read({write_run("two", one, mixture)})->stages[0].logs_single_steps);
}

TEST_F(TrainingLogTest, FiguresOfWhatIsThere) {
  const auto log =
      read({write_run("a",
                      "{\"step\": 1, \"loss/language\": 5, \"memory/slot_activation\": [0.9, 0.1, 0, 0]}\n"
                      "{\"step\": 2, \"loss/language\": 4, \"memory/slot_activation\": [0.1, 0.7, 0.2, 0], "
                      "\"zeros/overall\": 0.4, \"zeros/decoder.layers.0.ffn.up\": 0.5, "
                      "\"zeros/decoder.layers.1.attention.key\": 0.3, \"zeros/output\": 0.25}\n")});
  ASSERT_TRUE(log) << log.error().message;
  const auto made = training_figures(*log);
  ASSERT_TRUE(made) << made.error().message;
  std::map<std::string, std::string> described;
  for (const Figure& figure : made->figures) described[figure.id] = figure.description;
  ASSERT_THAT(described, ::testing::SizeIs(4));
  EXPECT_THAT(described["loss"], HasSubstr("all: 5 at steps 1, 4 at 2."));
  EXPECT_THAT(described["slot-activation"], HasSubstr("slot 1 has the most: 2.800 times"));  // 0.7 of 4 slots
  EXPECT_THAT(described["zeros"], HasSubstr("decoder: 0.400"));                              // the mean of both
  EXPECT_THAT(described["zeros-by-matrix"], HasSubstr("decoder 0 up 0.500, decoder 1 key 0.300, output 0.250."));
  EXPECT_THAT(made->missing, ::testing::Contains("Validation perplexity"));
  for (const char* title : {"Training loss", "Validation scores"}) {
    EXPECT_THAT(made->missing, ::testing::Not(::testing::Contains(title)));
  }
}

}  // namespace
}  // namespace bitmar::report
