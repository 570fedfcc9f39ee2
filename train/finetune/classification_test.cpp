#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "finetune/classification_data.h"
#include "finetune/classification_scores.h"
#include "finetune/finetune_result.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;

struct ClassificationFiles : testing::Test {
  ClassificationFiles() {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  std::string write(const std::string& text) const {
    const std::string path = (folder / "x.jsonl").string();
    std::ofstream(path) << text;
    return path;
  }
  Result<ClassificationData> read(const std::string& name, const std::string& text, std::uint32_t maximum = 512,
                                  std::uint64_t limit = 0) const {
    return read_classification_data(write(text), *find_classification_task(name), tokenizer, maximum, limit);
  }
  std::string error(const std::string& name, const std::string& text) const {
    const auto data = read(name, text);
    return data ? "read" : data.error().message;
  }
  static std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // With its marks as "|".
  std::string shown(const ClassificationExample& example) const {
    std::string text;
    for (const TokenId id : example.tokens) {
      text += id == tokenizer.end_of_text() ? "|" : std::string(tokenizer.bytes(id));
    }
    return text;
  }

  fs::path folder = fs::path(testing::TempDir()) / "classification_files";
  Tokenizer tokenizer = Tokenizer::from_merges({}).value();  // a token a byte
};

TEST_F(ClassificationFiles, EveryTaskHasItsTexts) {
  const std::map<std::string, std::pair<std::string, std::string>> expected = {
      {"boolq", {R"({"question": "q", "passage": "p", "idx": 0, "label": 1})", "|q|p"}},
      {"mnli", {R"({"premise": "p", "hypothesis": "h", "label": 2})", "|p|h"}},
      {"mrpc", {R"({"sentence1": "a", "sentence2": "b", "label": 0})", "|a|b"}},
      {"multirc",
       {R"({"paragraph": "p", "question": "q", "answer": "a", "idx": {"answer": 1}, "label": 0})",
        "|Question: q Answer: a|p"}},
      {"qqp", {R"({"question1": "a", "question2": "b", "label": 0})", "|a|b"}},
      {"rte", {R"({"sentence1": "a", "sentence2": "b", "label": 0})", "|a|b"}},
      {"wsc",
       {R"({"text": "t", "span1_text": "Mark", "span2_text": "He", "span1_index": 0, "label": 0})",
        "|Does \"He\" refer to \"Mark\" in this passage?|t"}},
  };
  ASSERT_EQ(expected.size(), classification_tasks().size());
  for (const auto& [name, item] : expected) {
    const auto data = read(name, "\xEF\xBB\xBF" + item.first + "\r\n\n");
    ASSERT_TRUE(data) << data.error().message;
    ASSERT_EQ(data->examples.size(), 1u) << name;
    EXPECT_EQ(shown(data->examples[0]), item.second) << name;
  }
}

TEST_F(ClassificationFiles, LongerTextIsCutFirst) {
  const auto cut = [&](std::size_t first, std::size_t second, std::uint32_t maximum) {
    const auto data = read("rte",
                           fmt::format(R"({{"sentence1": "{}", "sentence2": "{}", "label": 0}})",
                                       std::string(first, 'a'), std::string(second, 'b')),
                           maximum);
    return shown(data.value().examples[0]);
  };
  EXPECT_EQ(cut(2, 3, 7), "|aa|bbb");
  EXPECT_EQ(cut(2, 9, 9), "|aa|bbbbb");
  EXPECT_EQ(cut(9, 2, 9), "|aaaaa|bb");
  EXPECT_EQ(cut(9, 6, 9), "|aaaa|bbb");
  EXPECT_EQ(cut(6, 9, 8), "|aaa|bbb");
}

TEST_F(ClassificationFiles, LimitTakesTheFirst) {
  const std::string line = R"({"sentence1": "a", "sentence2": "b", "label": 1})";
  const auto data = read("rte", line + "\n" + line + "\nbroken\n", 512, 2);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->examples.size(), 2u);
}

TEST_F(ClassificationFiles, ErrorsNameFileLineAndKey) {
  const std::string good = R"({"sentence1": "a", "sentence2": "b", "label": 1})";
  const std::string path = (folder / "x.jsonl").string();
  EXPECT_EQ(error("rte", good + "\nnot json\n"), path + ":2: not a JSON object");
  EXPECT_EQ(error("rte", good + "\n\n[1]\n"), path + ":3: not a JSON object");
  EXPECT_EQ(error("rte", R"({"sentence1": "a", "label": 1})"), path + ":1: key 'sentence2' is missing");
  EXPECT_EQ(error("rte", R"({"sentence1": 3, "sentence2": "b", "label": 1})"),
            path + ":1: key 'sentence1' must be a string");
  EXPECT_EQ(error("rte", R"({"sentence1": "a", "sentence2": "b"})"), path + ":1: key 'label' is missing");
  for (const char* label : {"2", "-1", "0.5", "\"1\"", "true", "null", "18446744073709551616"}) {
    EXPECT_EQ(error("rte", fmt::format(R"({{"sentence1": "a", "sentence2": "b", "label": {}}})", label)),
              path + ":1: key 'label' must be a whole number from 0 to 1")
        << label;
  }
  EXPECT_EQ(error("rte", "{\"sentence1\": \"\xFF\", \"sentence2\": \"b\", \"label\": 1}"),
            path + ":1: not a JSON object");
  EXPECT_EQ(error("rte", "\n"), path + ": no item in it");
  EXPECT_THAT(error("rte", std::string(100000, '[')), testing::HasSubstr(":1: not a JSON object"));
  const auto missing =
      read_classification_data(folder / "none.jsonl", *find_classification_task("rte"), tokenizer, 512, 0);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, testing::HasSubstr("none.jsonl"));
  EXPECT_THAT(find_classification_task("glue").error().message, testing::HasSubstr("rte wsc"));
}

TEST(ClassificationScores, EqualScikitLearn) {
  std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/finetune/classification_scores.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_GE(cases.size(), 7u);
  for (const auto& golden : cases) {
    const ConfusionMatrix matrix(golden["gold"].get<std::vector<std::uint32_t>>(),
                                 golden["predicted"].get<std::vector<std::uint32_t>>(), golden["classes"]);
    EXPECT_NEAR(accuracy(matrix), golden["accuracy"], 1e-12) << golden;
    EXPECT_NEAR(f1(matrix), golden["f1"], 1e-12) << golden;
    EXPECT_NEAR(matthews_correlation(matrix), golden["matthews"], 1e-12) << golden;
  }
}

TEST(ClassificationScores, StandBesideWhatKnowingNothingScores) {
  // 30 of label 0, 10 of label 1; everything answered 1.
  std::vector<std::uint32_t> gold(40, 0);
  std::fill_n(gold.begin(), 10, 1u);
  const std::vector<std::uint32_t> ones(40, 1);
  const auto scores = classification_scores(gold, ones, 2, ClassificationMetric::kF1, 3);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0].metric, "f1");
  EXPECT_DOUBLE_EQ(scores[0].value, 0.4);         // precision 1/4, recall 1
  EXPECT_DOUBLE_EQ(scores[0].constant, 0.4);      // always 1; always 0 scores 0
  EXPECT_DOUBLE_EQ(scores[0].chance, 1.0 / 3.0);  // precision 1/4, recall 1/2
  EXPECT_EQ(scores[1].metric, "accuracy");
  EXPECT_DOUBLE_EQ(scores[1].value, 0.25);
  EXPECT_DOUBLE_EQ(scores[1].constant, 0.75);
  EXPECT_DOUBLE_EQ(scores[1].chance, 0.5);
  // Accuracy of a fixed answer is binomial: 1.96 sqrt(p (1 - p) / n) = 0.134.
  EXPECT_NEAR(scores[1].interval.low, 0.25 - 0.134, 0.03);
  EXPECT_NEAR(scores[1].interval.high, 0.25 + 0.134, 0.03);
  EXPECT_EQ(scores[2].metric, "matthews");
  EXPECT_EQ(scores[2].value, 0.0);
  EXPECT_EQ(scores[2].constant, 0.0);
  EXPECT_NEAR(scores[2].chance, 0.0, 1e-12);
  EXPECT_EQ(classification_scores(gold, ones, 3, ClassificationMetric::kAccuracy, 3)[1].metric, "macro_f1");
}

TEST_F(ClassificationFiles, ResultsComeBackAsTheyWere) {
  const std::vector<std::uint32_t> gold = {0, 1, 1}, predicted = {0, 1, 0};
  const FineTuneResult result{.task = "finetune-rte",
                              .items = 3,
                              .scores = classification_scores(gold, predicted, 2, ClassificationMetric::kAccuracy, 1),
                              .last_scores = classification_scores(gold, gold, 2, ClassificationMetric::kAccuracy, 1),
                              .seconds = 1.25,
                              .training_items = 7,
                              .epochs = 10,
                              .best_epoch = 4,
                              .course = "a; b"};
  const std::string path = (folder / "result.json").string();
  EXPECT_FALSE(read_finetune_result(path).value());
  ASSERT_TRUE(write_finetune_result(path, result));
  const std::string written = contents(path);
  const auto read_back = read_finetune_result(path).value();
  ASSERT_TRUE(read_back);
  EXPECT_EQ(read_back->scores[0].value, 2.0 / 3.0);
  EXPECT_EQ(read_back->last_scores[0].value, 1.0);
  ASSERT_TRUE(write_finetune_result(path, *read_back));
  EXPECT_EQ(contents(path), written);
  for (const char* broken : {"", "[]", "{\"task\": 1}", "{\"task\": \"a\", \"total\": []}"}) {
    std::ofstream(path) << broken;
    const auto read = read_finetune_result(path);
    ASSERT_FALSE(read) << broken;
    EXPECT_THAT(read.error().message, testing::HasSubstr("result.json: not the result"));
  }
  ASSERT_TRUE(write_predictions(path, "rte", gold, predicted));
  std::ifstream file(path);
  for (std::size_t i = 0; i < 3; ++i) {
    std::string line;
    ASSERT_TRUE(std::getline(file, line));
    const nlohmann::json expected = {{"id", fmt::format("rte_{}", i)}, {"gold", gold[i]}, {"pred", predicted[i]}};
    EXPECT_EQ(nlohmann::json::parse(line), expected);
  }
}

}  // namespace
}  // namespace bitmar
