// The tasks on small made-up files: the harness' own prompts, models that know nothing, interrupted runs, broken files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/registry/registry.h"
#include "eval/tasks/babylm_items.h"
#include "eval/tasks/harness_items.h"
#include "eval/tasks/task_files.h"
#include "eval/tasks/tasks_test_support.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OutputHead;
using testing::random_engine;
using testing::small_config;
using testing_tasks::golden;
using testing_tasks::read_text;
using testing_tasks::Tasks;

using Read = Result<ChoiceSet> (*)(const std::string& path);

TEST_F(Tasks, PromptsAreTheHarnessOwn) {
  const auto mmlu_0 = [](const std::string& path) { return read_mmlu(path, 0); };
  const auto mmlu_5 = [](const std::string& path) { return read_mmlu(path, 5); };
  const std::vector<std::pair<std::string, Read>> readers = {{"arc_easy", read_arc_easy},
                                                             {"boolq", read_boolq},
                                                             {"hellaswag", read_hellaswag},
                                                             {"winogrande", read_winogrande},
                                                             {"piqa", read_piqa},
                                                             {"commonsense_qa", read_commonsense_qa},
                                                             {"mmlu", mmlu_0},
                                                             {"mmlu_5_shot", mmlu_5}};
  ASSERT_EQ(readers.size(), golden().size());
  for (const auto& [task, read] : readers) {
    write_golden(task);
    const bool mmlu = task.starts_with("mmlu");
    const auto set = read((folder_ / (mmlu ? "mmlu/test.jsonl" : task + "/validation.jsonl")).string());
    ASSERT_TRUE(set) << set.error().message;
    const auto& requests = golden()[task]["requests"];
    ASSERT_EQ(set->items.size(), requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const ChoiceItem& item = set->items[i];
      EXPECT_EQ(item.gold, requests[i]["gold"].get<std::size_t>()) << task << i;
      nlohmann::json choices = nlohmann::json::array();
      for (const Choice& choice : item.choices) {
        choices.push_back({(item.preamble ? *item.preamble : "") + choice.context, choice.continuation});
      }
      EXPECT_EQ(choices, requests[i]["choices"]) << task << i;
    }
  }
}

TEST_F(Tasks, HellaswagIsReadAlreadyCleanedToo) {
  write("h.jsonl", R"({"ctx": "A man [x]  sits. he", "endings": ["is  up.", "sits."], "label": 1})");
  const auto set = read_hellaswag((folder_ / "h.jsonl").string());
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->items[0].choices[0].context, "A man [x]  sits. he");
  EXPECT_EQ(set->items[0].choices[0].continuation, " is  up.");
  EXPECT_EQ(set->items[0].gold, 1u);
}

TEST_F(Tasks, MinimalPairsCompareWhatThePipelineCompares) {
  write_all(1);
  const auto choices = [](const ChoiceItem& item) {
    std::vector<std::string> texts;
    for (const Choice& choice : item.choices) texts.push_back(choice.context + "|" + choice.continuation);
    return texts;
  };
  const auto ewok = *read_ewok((folder_ / "babylm/ewok_fast").string());
  EXPECT_THAT(choices(ewok.items[0]), ElementsAre("It rains 0.| It is wet.", "It rains 0.| No."));
  const auto comps = *read_comps((folder_ / "babylm/comps").string());
  EXPECT_THAT(choices(comps.items[0]), ElementsAre("A dog 0| can bark.", "A stone| can bark."));
  EXPECT_EQ(comps.items[0].id, "comps_base_0");
  const auto boxes = *read_entity_tracking((folder_ / "babylm/entity_tracking").string());
  EXPECT_THAT(choices(boxes.items[1]),
              ElementsAre("Box 1 contains |a cat.", "Box 1 contains |nothing.", "Box 1 contains |keys."));
  EXPECT_EQ(boxes.items[1].id, "regular_1_ops_0");
  const auto pairs = *read_sentence_pairs((folder_ / "babylm/blimp_fast").string());
  EXPECT_EQ(pairs.items[2].id, "p_0_1");
  EXPECT_THAT(pairs.groups, ElementsAre("p_0", "field: syntax", "term: t", "p_1"));
  const auto wug = *read_wug((folder_ / "babylm/wug_past_tense").string());
  EXPECT_THAT(choices(wug.items[1]), ElementsAre("|a 1ness", "|a 1ity"));
  EXPECT_EQ(wug.items[1].human_ratio, 0.01);
}

TEST_F(Tasks, ModelThatKnowsNothingScoresChance) {
  write_all(2);
  const auto uniform = random_engine(small_config(), 3, OutputHead::kZero);
  for (const Task& task : tasks()) {
    if (!has_task_files(folder_.string(), task.files)) continue;
    TaskContext kept = context(uniform);
    kept.predictions = (folder_ / "uniform").string();
    const auto result = task.run(kept);
    ASSERT_TRUE(result) << result.error().message;
    const auto& scores = result->total.scores;
    const auto per_token =
        std::ranges::find_if(scores, [](const Score& score) { return score.metric.ends_with("per_token"); });
    ASSERT_NE(per_token, scores.end()) << task.name;
    EXPECT_NEAR(per_token->value, *per_token->chance, 1e-12) << task.name;
    EXPECT_LE(per_token->interval->low, *per_token->chance + 1e-12) << task.name;
    EXPECT_GE(per_token->interval->high, *per_token->chance - 1e-12) << task.name;
    if (scores.front().uniform) {
      EXPECT_NEAR(scores.front().value, *scores.front().uniform, 1e-12) << task.name;
    }
    EXPECT_NEAR(score_of(result->values), scores.front().value, 1e-12) << task.name;
    // Equal tokens make the shortest choices the most probable ones: they tie where there are several.
    std::uint64_t ties = 0;
    std::ifstream lines(folder_ / "uniform" / (std::string(task.name) + ".jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto tokens = nlohmann::json::parse(line)["tokens"].get<std::vector<int>>();
      ties += std::ranges::count(tokens, std::ranges::min(tokens)) > 1;
    }
    EXPECT_EQ(result->total.ties, ties) << task.name;
    if (task.name.starts_with("mmlu")) {
      EXPECT_EQ(ties, result->total.items);
    }
  }
}

TEST_F(Tasks, ScoresDoNotDependOnThreads) {
  write_all(5);
  for (const char* name : {"arc_easy", "mmlu_5_shot", "blimp_fast", "wug_past_tense"}) {
    TaskContext one = context(engine_);
    one.predictions = (folder_ / "one").string();
    TaskContext three = context(engine_);
    three.predictions = (folder_ / "three").string();
    three.threads = 3;
    ASSERT_TRUE(find_task(name)->run(one));
    ASSERT_TRUE(find_task(name)->run(three));
    const std::string lines = read_text(folder_ / "one" / (std::string(name) + ".jsonl"));
    EXPECT_FALSE(lines.empty());
    EXPECT_EQ(lines, read_text(folder_ / "three" / (std::string(name) + ".jsonl"))) << name;
  }
}

TEST_F(Tasks, PartsAverageAsThePipelineDoes) {
  // One paradigm whose sentences cannot be told apart, three times as large as one that is right by length alone.
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    lines += fmt::format(
        R"({{"sentence_good": "Go.", "sentence_bad": "{}", "field": "f", "UID": "{}", "linguistics_term": "t"}})"
        "\n",
        i < 30 ? "Go." : "Go on and on.", i < 30 ? "same" : "longer");
  }
  write("blimp_fast/a.jsonl", lines);
  const auto result = find_task("blimp_fast")->run(context(random_engine(small_config(), 3, OutputHead::kZero)));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->total.ties, 30u);
  EXPECT_EQ(result->total.scores.front().value, 0.75);
  EXPECT_EQ(*result->total.scores.front().chance, 0.5);
  EXPECT_FALSE(result->total.scores.front().majority);
  ASSERT_EQ(result->parts.size(), 4u);
  EXPECT_EQ(result->parts[0].name, "same");
  EXPECT_EQ(result->parts[0].scores.front().value, 0.5);
  EXPECT_EQ(result->parts[1].name, "field: f");
  EXPECT_EQ(result->parts[1].scores.front().value, (30 * 0.5 + 10) / 40);
  EXPECT_EQ(result->parts[3].name, "longer");
  EXPECT_EQ(result->parts[3].scores.front().value, 1.0);
}

TEST_F(Tasks, MajorityIsTheMostFrequentPlace) {
  write("boolq/validation.jsonl", R"({"question": "q", "passage": "p", "answer": true}
{"question": "q2", "passage": "p", "answer": true}
{"question": "q3", "passage": "p", "answer": false})");
  const auto result = find_task("boolq")->run(context(engine_));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_NEAR(*result->total.scores.front().majority, 2.0 / 3.0, 1e-15);
}

TEST_F(Tasks, LimitCountsItemsOfEachPart) {
  write_all(1);
  TaskContext limited = context(engine_);
  limited.limit = 3;
  EXPECT_EQ(find_task("blimp_fast")->run(limited)->total.items, 6u);
  EXPECT_EQ(find_task("mmlu")->run(limited)->total.items, 2u);
}

class InterruptedTask : public Tasks {
 protected:
  void SetUp() override {
    Tasks::SetUp();
    write_all(2);
    context_ = context(engine_);
    context_.predictions = (folder_ / "predictions").string();
  }
  Result<TaskResult> run() const { return find_task("blimp_fast")->run(context_); }
  fs::path file(const char* suffix) const { return folder_ / "predictions" / (std::string("blimp_fast") + suffix); }
  std::string error() const {
    const auto result = run();
    return result ? "no error" : result.error().message;
  }

  TaskContext context_;
};

TEST_F(InterruptedTask, GoesOnToTheSameResult) {
  const auto whole = run();
  ASSERT_TRUE(whole) << whole.error().message;
  const std::string lines = read_text(file(".jsonl"));
  EXPECT_EQ(std::ranges::count(lines, '\n'), 40);
  EXPECT_FALSE(fs::exists(file(".jsonl.partial")));
  const std::size_t middle = lines.find('\n', lines.size() / 2);
  // Cut between lines, within a line, at the very beginning, before the last line break; and a damaged line.
  std::string damaged = lines.substr(0, middle + 1);
  damaged[damaged.rfind("\"id\"") + 1] = 'x';
  for (const std::string& left : {lines.substr(0, middle + 1), lines.substr(0, middle + 30), std::string(),
                                  lines.substr(0, lines.size() - 1), damaged}) {
    fs::remove(file(".jsonl"));
    std::ofstream(file(".jsonl.partial"), std::ios::binary) << left;
    std::vector<std::uint64_t> progress;
    context_.progress = [&](std::uint64_t done, std::uint64_t total) {
      progress.push_back(done);
      EXPECT_EQ(total, 40u);
    };
    const auto resumed = run();
    ASSERT_TRUE(resumed) << resumed.error().message;
    const auto kept = static_cast<std::uint64_t>(std::ranges::count(left, '\n'));
    EXPECT_EQ(progress.front(), left == damaged ? kept - 1 : kept);
    EXPECT_EQ(progress.back(), 40u);
    EXPECT_EQ(read_text(file(".jsonl")), lines);
    EXPECT_FALSE(fs::exists(file(".jsonl.partial")));
    for (std::size_t i = 0; i < whole->total.scores.size(); ++i) {
      EXPECT_EQ(resumed->total.scores[i].value, whole->total.scores[i].value);
      EXPECT_EQ(resumed->total.scores[i].interval->low, whole->total.scores[i].interval->low);
    }
  }
}

TEST_F(InterruptedTask, FinishedPredictionsAreNotScoredAgain) {
  ASSERT_TRUE(run());
  std::vector<std::uint64_t> progress;
  context_.progress = [&](std::uint64_t done, std::uint64_t) { progress.push_back(done); };
  ASSERT_TRUE(run());
  EXPECT_THAT(progress, ElementsAre(40u));
  std::string lines = read_text(file(".jsonl"));
  lines.resize(lines.size() / 2);
  std::ofstream(file(".jsonl"), std::ios::binary) << lines;
  EXPECT_THAT(error(), HasSubstr(" of 40 is missing or not the prediction of its item"));
}

TEST_F(InterruptedTask, AnotherRunsPredictionsAreRefused) {
  ASSERT_TRUE(run());
  const std::string lines = read_text(file(".jsonl"));
  context_.memory = false;
  EXPECT_THAT(error(), HasSubstr("'memory' is true, here it is false"));
  context_.memory = true;
  context_.limit = 2;
  EXPECT_THAT(error(), HasSubstr("'limit'"));
  context_.limit = 0;
  context_.engine = random_engine(small_config(), 4);
  EXPECT_THAT(error(), HasSubstr("'model_sha256'"));
  context_.engine = engine_;
  write("babylm/blimp_fast/p.jsonl", read_text(folder_ / "babylm/blimp_fast/p.jsonl") + "\n");
  EXPECT_THAT(error(), HasSubstr("'files_sha256'"));
  EXPECT_EQ(read_text(file(".jsonl")), lines);
  fs::remove(file(".run.json"));
  EXPECT_THAT(error(), HasSubstr("blimp_fast.run.json"));
}

TEST_F(InterruptedTask, LinesHoldWhatThePipelineAndAHarnessCompare) {
  ASSERT_TRUE(run());
  const std::string lines = read_text(file(".jsonl"));
  const auto line = nlohmann::json::parse(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(line["id"], "p_0_0");
  const std::size_t choice = line["choice"];
  EXPECT_EQ(line["pred"], choice == 0 ? "Cats 0 sleep." : "Cats 0 sleeps here.");
  EXPECT_EQ(line["gold"], 0);
  EXPECT_EQ(line["characters"], nlohmann::json({13, 19}));
  for (std::size_t i = 0; i < 2; ++i) {
    const double value = line["log_likelihoods"][i];
    EXPECT_LT(value, 0.0);
    EXPECT_EQ(line["per_token"][i], value / line["tokens"][i].get<double>());
    EXPECT_EQ(line["per_byte"][i], value / line["bytes"][i].get<double>());
  }
}

TEST_F(Tasks, BrokenFilesNameThemselves) {
  const std::string good = R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 0})"
                           "\n";
  const std::string piqa = "piqa/validation.jsonl";
  EXPECT_THAT(error_of("piqa", piqa, good + "\n{\"goal\": 3}"),
              HasSubstr("validation.jsonl:3: field 'goal' must be a string"));
  EXPECT_THAT(error_of("piqa", piqa, good + "{\"goal\": \"x\"}"), HasSubstr(":2: field 'sol1' is missing"));
  EXPECT_THAT(error_of("piqa", piqa, good + "{\"goal\": \"x"), HasSubstr(":2: expected a JSON object"));
  EXPECT_THAT(error_of("piqa", piqa, "[1]"), HasSubstr(":1: expected a JSON object"));
  EXPECT_THAT(error_of("piqa", piqa, "\n\n"), HasSubstr("validation.jsonl: has no lines"));
  for (const char* label : {"2", "-1", "\"x\"", "null", "1.5", "\"99999999999999999999\""}) {
    EXPECT_THAT(error_of("piqa", piqa, fmt::format(R"({{"goal": "g", "sol1": "a", "sol2": "b", "label": {}}})", label)),
                HasSubstr(":1: field 'label' must be a number from 0 to 1"));
  }
  EXPECT_THAT(error_of("arc_easy", "arc_easy/validation.jsonl",
                       R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"})"),
              HasSubstr(":1: field 'label' must be an array of 2 or more strings"));
  EXPECT_THAT(error_of("arc_easy", "arc_easy/validation.jsonl",
                       R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"})"),
              HasSubstr(":1: field 'answerKey' is none of the choices' labels"));
  EXPECT_THAT(error_of("winogrande", "winogrande/validation.jsonl",
                       R"({"sentence": "no blank", "option1": "a", "option2": "b", "answer": "1"})"),
              HasSubstr(":1: field 'sentence' must hold the blank '_'"));
  EXPECT_THAT(
      error_of("mmlu", "mmlu/test.jsonl", R"({"subject": "s", "question": "q", "choices": ["a"], "answer": 0})"),
      HasSubstr(":1: field 'choices' must be an array of 4"));
  const std::string question = R"({"subject": "s", "question": "q", "choices": ["a", "b", "c", "d"], "answer": 0})";
  write("mmlu/test.jsonl", question);
  EXPECT_THAT(error_of("mmlu_5_shot", "mmlu/dev.jsonl", question), HasSubstr("1 questions of subject 's'; expected 5"));
  EXPECT_THAT(error_of("wug_past_tense", "wug_past_tense/w.jsonl", R"({"sentences": "one", "ratio": 0.5})"),
              HasSubstr("w.jsonl:1: field 'sentences' must be two or more, separated by tabs"));
  EXPECT_THAT(error_of("entity_tracking", "entity_tracking/r.jsonl",
                       R"({"input_prefix": "p", "options": ["", "b"], "numops": 0})"),
              HasSubstr("item 'r_0_ops_0': the continuation '' has no token"));
}

TEST_F(Tasks, MissingFilesNameWhatWasExpected) {
  const auto result = find_task("comps")->run(context(engine_));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message, HasSubstr("has no babylm/comps, full_eval/comps, comps"));
  fs::create_directories(folder_ / "comps");
  EXPECT_THAT(find_task("comps")->run(context(engine_)).error().message, HasSubstr("has no .jsonl file"));
  EXPECT_THAT(find_task("nonsense").error().message, HasSubstr("arc_easy"));
}

}  // namespace
}  // namespace bitmar
