#include "eval/results/fine_tuned.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/results/evaluation_run.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

class FineTunedScores : public ::testing::Test {
 protected:
  // What finetune leaves of WSC, by accuracy, and MRPC, by F1, each of as many items as there are predictions.
  std::string write(const std::string& name, const Json& model, const std::vector<int>& predictions) const {
    const auto task = [&](const char* task_name, const char* metric, double value, double last) {
      const auto group = [&](double score) {
        return Json{{"items", predictions.size()},
                    {"ties", 0},
                    {"scores", {{{"metric", metric}, {"value", score}, {"chance", 0.5}, {"majority", 0.625}}}}};
      };
      Json last_epoch = group(last);
      last_epoch["name"] = "last epoch";
      return Json{{"task", task_name}, {"seconds", 1.0}, {"total", group(value)}, {"parts", {last_epoch}}};
    };
    const auto right = static_cast<double>(std::ranges::count(predictions, 1));  // gold is 1 everywhere
    const auto items = static_cast<double>(predictions.size());
    const std::string path = folder_.file(name);
    std::string lines;
    for (const int prediction : predictions) lines += Json{{"gold", 1}, {"pred", prediction}}.dump() + "\n";
    for (const char* each : {"/wsc", "/mrpc"}) {
      std::filesystem::create_directories(path + each);
      testing::write_file(path + each + "/predictions.jsonl", lines);
    }
    testing::write_file(path + "/results.json", Json{{"model", model},
                                                     {"tasks",
                                                      {task("finetune-wsc", "accuracy", right / items, 0.5),
                                                       task("finetune-mrpc", "f1", 2 * right / (items + right), 0.8)}}}
                                                    .dump());
    return path;
  }

  static Json model(bool memory, const std::string& weights = "a1", const std::string& settings = "usual settings") {
    return {{"checkpoint", "runs/captions"},
            {"step", 12},
            {"weights", weights},
            {"settings", settings},
            {"memory", memory}};
  }

  testing::TemporaryFolder folder_;
};

TEST_F(FineTunedScores, AreReadWithTheirItemsInAnyOrderOfFolders) {
  const std::string off = write("off", model(false), {1, 0, 0, 1});
  const std::string on = write("on", model(true), {1, 1, 1, 0});
  const auto scores = read_fine_tuned({off, on});
  ASSERT_TRUE(scores) << scores.error().message;
  EXPECT_EQ(scores->checkpoint, "runs/captions");
  EXPECT_EQ(scores->step, 12u);
  ASSERT_EQ(scores->tasks.size(), 2u);
  EXPECT_EQ(scores->tasks[0].values.values, (std::vector<double>{1, 1, 1, 0}));
  EXPECT_EQ(scores->ablation[0].values.values, (std::vector<double>{1, 0, 0, 1}));
  EXPECT_DOUBLE_EQ(score_of(scores->tasks[1].values), 6.0 / 7.0);
  EXPECT_TRUE(read_fine_tuned({on})->ablation.empty());
}

TEST_F(FineTunedScores, StandOnThePageWithTheLastEpochAndWithoutMemory) {
  EvaluationRun run;
  const auto scores =
      read_fine_tuned({write("on", model(true), {1, 1, 1, 0}), write("off", model(false), {1, 0, 0, 1})});
  ASSERT_TRUE(scores) << scores.error().message;
  EXPECT_THAT(result_page(run), ::testing::Not(HasSubstr("Fine-tuned")));
  run.fine_tuned = *scores;
  run.fine_tuned_effects = memory_effects(scores->tasks, scores->ablation, 1);
  const std::string page = result_page(run);
  EXPECT_THAT(page, HasSubstr("From the checkpoint runs/captions, step 12, by usual settings. "));
  EXPECT_THAT(page, HasSubstr("| finetune-wsc | on | accuracy | 0.7500 |  | 0.5000 | 0.5000 | 0.6250 | 4 |\n"));
  EXPECT_THAT(page, HasSubstr("| finetune-mrpc | off | f1 | 0.6667 |  | 0.8000 | 0.5000 | 0.6250 | 4 |\n"));
  const Json json = to_json(run)["fine_tuned"];
  EXPECT_EQ(json["memory_off"].size(), 2u);
  EXPECT_EQ(json["memory_effects"][0]["difference"], 0.25);  // item by item: 3 of 4 right, 2 of 4
  EXPECT_DOUBLE_EQ(json["memory_effects"][1]["difference"].get<double>(), 6.0 / 7.0 - 4.0 / 6.0);
}

TEST_F(FineTunedScores, ErrorsNameTheFolderAndWhatWasExpected) {
  const std::string on = write("on", model(true), {1, 1});
  const auto message = [](const std::vector<std::string>& folders) {
    const auto scores = read_fine_tuned(folders);
    return scores ? std::string("no error") : scores.error().message;
  };
  EXPECT_THAT(message({folder_.file("none")}), HasSubstr("none/results.json"));
  EXPECT_EQ(message({on, on}), on + ": fine-tuned with memory, as " + on + " was; expected one of each");
  const std::string other = write("other", model(false, "b2"), {1, 1});
  EXPECT_THAT(message({on, other}),
              HasSubstr(other + ": fine-tuned from runs/captions, step 12; expected the weights"));
  const std::string quick = write("quick", model(false, "a1", "fewer epochs"), {1, 1});
  EXPECT_EQ(message({on, quick}), quick + ": fine-tuned by fewer epochs; expected usual settings, as in " + on);
  const std::string off = write("off", model(false), {1, 1});
  EXPECT_EQ(message({on, off}), "no error");
  testing::write_file(off + "/mrpc/predictions.jsonl", "{\"gold\": 1, \"pred\": 1}\n{\"gold\": 0, \"pred\": 0}\n");
  EXPECT_THAT(message({on, off}), HasSubstr(off + ": finetune-mrpc: of other items than in " + on));
  const std::string nameless = write("nameless", Json{{"step", 3}}, {1, 1});
  EXPECT_THAT(message({nameless}), HasSubstr(nameless + "/results.json: model: expected"));
  testing::write_file(on + "/wsc/predictions.jsonl", "{\"gold\": 1, \"pred\": 1}\n{\"gold\": 1, \"pred\": 0}\n");
  EXPECT_THAT(message({on}), HasSubstr("wsc/predictions.jsonl: accuracy of 0.5; expected 1, as in "));
  testing::write_file(on + "/wsc/predictions.jsonl", "{\"gold\": 1, \"pred\": 1}\n");
  EXPECT_THAT(message({on}), HasSubstr("wsc/predictions.jsonl: 1 predictions; expected 2"));
  testing::write_file(on + "/wsc/predictions.jsonl", "{\"gold\": 1}\n");
  EXPECT_THAT(message({on}), HasSubstr("wsc/predictions.jsonl:1"));
}

}  // namespace
}  // namespace bitmar
