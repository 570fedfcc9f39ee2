#include "eval/language/reading_task.h"

#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "eval/statistics/bootstrap.h"
#include "eval/statistics/least_squares.h"
#include "eval/tasks/csv_table.h"
#include "eval/tasks/kept_items.h"
#include "eval/tasks/resumed_run.h"
#include "eval/tasks/task_files.h"

namespace bitmar {
namespace {

constexpr std::array<const char*, 4> kEyeTracking = {"RTfirstfix", "RTfirstpass", "RTgopast", "RTrightbound"};
constexpr const char* kSelfPaced = "self_paced_reading_time";

// A variable over the rows; NaN: the row has none.
using Column = std::vector<double>;

Result<Column> read_column(const CsvTable& table, const char* name) {
  BITMAR_TRY(const std::size_t index, table.column(name));
  Column values;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    BITMAR_TRY(const auto value, table.number(row, index));
    values.push_back(value.value_or(std::nan("")));
  }
  return values;
}

struct Surprisals {
  Column word;
  Column previous;  // of the word before; NaN where that begins its sentence
};

Result<Surprisals> measure_surprisals(const TaskContext& context, const std::string& path, const CsvTable& table) {
  BITMAR_TRY(const std::size_t before, table.column("item"));
  BITMAR_TRY(const std::size_t word, table.column("word"));
  BITMAR_TRY(const std::size_t previous_before, table.column("prev_item"));
  BITMAR_TRY(const std::size_t previous_word, table.column("prev_word"));
  std::vector<ChoiceItem> items;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    ChoiceItem& item = items.emplace_back();
    item.id = fmt::format("reading_{}", row);
    item.alternatives = false;
    // An empty cell is the word "None", which the published file's reader took for a missing value.
    const std::string& text = table.text(row, before);
    item.choices.push_back({text.empty() ? "None" : text, " " + table.text(row, word)});
    if (table.text(row, previous_before).empty()) continue;
    item.choices.push_back({table.text(row, previous_before), " " + table.text(row, previous_word)});
  }
  std::optional<PredictionBinding> binding;
  if (!context.predictions.empty()) {
    BITMAR_TRY(std::string files, hash_files({&path, 1}));
    binding = bind_predictions(context, "reading", std::move(files));
    binding->limit = 0;  // the regressions are over all rows
    binding->start = StartToken::kAlways;
  }
  const ChoiceRun run = {.threads = context.threads, .memory = context.memory, .start = StartToken::kAlways};
  BITMAR_TRY(const auto scores, score_resumed(context, items, run, binding, counter(context, items.size())));
  Surprisals surprisals;
  for (const ItemScores& of_row : scores) {
    surprisals.word.push_back(-of_row[0].log_probability);
    surprisals.previous.push_back(of_row.size() > 1 ? -of_row[1].log_probability : std::nan(""));
  }
  return surprisals;
}

Column chosen(const Column& values, std::span<const std::uint32_t> rows) {
  Column some;
  for (const std::uint32_t row : rows) some.push_back(values[row]);
  return some;
}

// A reading time and what is to explain it, of the rows that have all of it.
struct Regression {
  std::string name;
  Column target;
  std::vector<Column> columns;  // the predictors, standardized, and their products
  Column surprisal;
};

Regression make_regression(std::string name, const Column& target, const std::vector<Column>& predictors,
                           const Column& surprisal) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < target.size(); ++row) {
    bool complete = !std::isnan(target[row]) && !std::isnan(surprisal[row]);
    for (const Column& predictor : predictors) complete = complete && !std::isnan(predictor[row]);
    if (complete) rows.push_back(row);
  }
  Regression regression{std::move(name), chosen(target, rows), {}, chosen(surprisal, rows)};
  for (const Column& predictor : predictors) standardize(regression.columns.emplace_back(chosen(predictor, rows)));
  for (std::size_t i = 0; i < predictors.size(); ++i) {
    for (std::size_t j = i + 1; j < predictors.size(); ++j) {
      Column product = regression.columns[i];
      for (std::size_t row = 0; row < product.size(); ++row) product[row] *= regression.columns[j][row];
      regression.columns.push_back(std::move(product));
    }
  }
  return regression;
}

// Of the surprisals [rows.size()] of these rows: the mean gain over regressions on the same rows, in percent of the
// variance that the predictors leave.
double mean_gain(std::span<const Regression> regressions, std::span<const std::uint32_t> rows, Column surprisals) {
  standardize(surprisals);
  double sum = 0;
  for (const Regression& one : regressions) {
    std::vector<Column> columns;
    for (const Column& column : one.columns) columns.push_back(chosen(column, rows));
    columns.push_back(surprisals);
    const ExplainedVariance explained = explained_variance(columns, chosen(one.target, rows));
    sum += 100.0 * (explained.with_last - explained.without_last) / (1.0 - explained.without_last);
  }
  return sum / static_cast<double>(regressions.size());
}

// With the surprisal's.
std::size_t coefficients(const Regression& regression) {
  return regression.columns.size() + 1;
}

// The mean gain over regressions on the same rows, and its interval over these. Of a predictor that has nothing to do
// with the target a share of 1 / (rows - coefficients) is expected.
Score score_of(std::string metric, std::span<const Regression> regressions, std::uint64_t seed) {
  const Regression& first = regressions.front();
  std::vector<std::uint32_t> all(first.target.size());
  std::iota(all.begin(), all.end(), 0u);
  Score score;
  score.metric = std::move(metric);
  score.value = mean_gain(regressions, all, first.surprisal);
  score.chance = 100.0 / static_cast<double>(all.size() - coefficients(first));
  score.interval = bootstrap(
      all.size(),
      [&](std::span<const std::uint32_t> rows) { return mean_gain(regressions, rows, chosen(first.surprisal, rows)); },
      {.seed = seed, .resamples = 200});
  return score;
}

// The rows' surprisals, of which the score is the mean gain.
ItemValues values_of(std::vector<Regression> regressions) {
  ItemValues values{.values = regressions.front().surprisal};
  values.statistic = [regressions = std::move(regressions)](std::span<const std::uint32_t> rows,
                                                            std::span<const double> surprisals) {
    return mean_gain(regressions, rows, Column(surprisals.begin(), surprisals.end()));
  };
  return values;
}

}  // namespace

Result<TaskResult> run_reading(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const std::string path, find_task_files(context.data, kReadingFiles));
  BITMAR_TRY(const CsvTable table, CsvTable::read(path));
  BITMAR_TRY(const Column frequency, read_column(table, "Subtlex_log10"));
  BITMAR_TRY(const Column length, read_column(table, "length"));
  BITMAR_TRY(const Column position, read_column(table, "context_length"));
  BITMAR_TRY(const Column previous_length, read_column(table, "prev_length"));
  std::vector<Column> eye_times;
  for (const char* name : kEyeTracking) {
    BITMAR_TRY(eye_times.emplace_back(), read_column(table, name));
  }
  BITMAR_TRY(const Column self_paced_times, read_column(table, kSelfPaced));
  BITMAR_TRY(const Surprisals surprisals, measure_surprisals(context, path, table));

  std::vector<Regression> eye_tracking;
  for (std::size_t i = 0; i < kEyeTracking.size(); ++i) {
    eye_tracking.push_back(
        make_regression(kEyeTracking[i], eye_times[i], {frequency, length, position}, surprisals.word));
  }
  const Regression self_paced =
      make_regression(kSelfPaced, self_paced_times, {frequency, length, position, previous_length, surprisals.previous},
                      surprisals.word);
  for (const Regression& regression : eye_tracking) {
    if (regression.target.size() == eye_tracking.front().target.size()) continue;
    return fail(ErrorCode::kInvalidFile, "{}: column '{}' has values in other rows than '{}'", path, regression.name,
                kEyeTracking[0]);
  }
  if (const Regression& smallest = eye_tracking.front();
      smallest.target.size() <= coefficients(smallest) || self_paced.target.size() <= coefficients(self_paced)) {
    return fail(ErrorCode::kInvalidFile, "{}: has {} complete rows, too few for a regression", path,
                std::min(smallest.target.size(), self_paced.target.size()));
  }
  TaskResult result;
  result.task = "reading";
  result.total.items = table.rows();
  result.total.scores = {score_of("eye_tracking_gain", eye_tracking, context.seed),
                         score_of("self_paced_gain", {&self_paced, 1}, context.seed)};
  for (const Regression& regression : eye_tracking) {
    result.parts.push_back({.name = regression.name,
                            .items = regression.target.size(),
                            .scores = {score_of("gain", {&regression, 1}, context.seed)}});
  }
  result.values = values_of(std::move(eye_tracking));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace bitmar
