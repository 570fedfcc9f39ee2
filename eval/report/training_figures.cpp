#include "eval/report/training_figures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <utility>

#include "eval/report/heat_map.h"
#include "eval/report/line_chart.h"
#include "eval/report/series.h"

namespace bitmar::report {
namespace {

constexpr const char* kSteps = "steps";
constexpr std::string_view kZeros = "zeros/";
constexpr std::size_t kSmoothedPart = 30;  // a smoothed point covers this part of a line's points
constexpr std::size_t kPlainPoints = 30;   // lines of fewer points are not smoothed

// Which scalars make a line: one tag, or every tag with a prefix and a suffix around the line's name.
struct Source {
  std::string_view prefix = {};
  std::string_view suffix = {};  // empty: `prefix` is the tag
  std::string_view name = {};    // of a tag's line
  bool emphasised = false;
};

struct LineFigure {
  std::string_view id, title, y_label, caption;
  std::string_view single_steps = {};  // what is to be seen where the log has the losses of single steps
  std::vector<Source> sources = {};
  bool smoothed = false;
  bool logarithmic = false;
  bool from_zero = false;
  bool expected = true;  // of a pretraining run: to be named where it is missing
  bool events = false;   // marks the controller's interventions
};

ChartLine make_line(std::string name, std::span<const Point> points, const Source& source, bool smoothed) {
  ChartLine line{.name = std::move(name), .points = {points.begin(), points.end()}, .emphasised = source.emphasised};
  if (smoothed && points.size() > kPlainPoints) {
    line.behind = std::move(line.points);
    line.points = smooth(points, std::max<std::size_t>(1, points.size() / kSmoothedPart / 2));
  }
  return line;
}

std::vector<ChartLine> make_lines(const TrainingLog& log, const LineFigure& figure) {
  std::vector<ChartLine> lines;
  for (const Source& source : figure.sources) {
    if (!source.suffix.empty()) {
      for (const auto& [name, points] : log.scalars_of(source.prefix, source.suffix)) {
        lines.push_back(make_line(name, points, source, figure.smoothed));
      }
    } else if (const auto points = log.scalar(source.prefix); !points.empty()) {
      lines.push_back(make_line(std::string(source.name), points, source, figure.smoothed));
    }
  }
  return lines;
}

std::vector<ChartMark> stage_marks(const TrainingLog& log) {
  std::vector<ChartMark> marks;
  if (log.stages.size() < 2) return marks;
  for (const Stage& stage : log.stages) marks.push_back({stage.first_step, stage.name});
  return marks;
}

std::vector<ChartMark> intervention_marks(const TrainingLog& log) {
  std::vector<ChartMark> marks;
  if (const auto found = log.texts.find("controller"); found != log.texts.end()) {
    for (const Event& event : found->second) marks.push_back({event.step, event.text});
  }
  return marks;
}

// "In stages 1, 2 the logged losses are of single steps, each of one stream"; empty: there are none.
std::string single_steps_note(const TrainingLog& log) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < log.stages.size(); ++i) {
    if (log.stages[i].logs_single_steps) numbers.push_back(i + 1);
  }
  if (numbers.empty()) return {};
  constexpr std::string_view kWhat = "logged losses are of single steps, each of one stream";
  if (numbers.size() == log.stages.size()) return fmt::format("The {}", kWhat);
  return fmt::format("In stage{} {} the {}", numbers.size() == 1 ? "" : "s", fmt::join(numbers, ", "), kWhat);
}

void add_line_figure(const LineFigure& wanted, std::vector<ChartLine> lines, const TrainingLog& log,
                     TrainingFigures& made) {
  LineChart chart{.x_label = kSteps,
                  .y_label = std::string(wanted.y_label),
                  .logarithmic = wanted.logarithmic,
                  .from_zero = wanted.from_zero,
                  .lines = std::move(lines),
                  .stages = stage_marks(log),
                  .event_label = "the controller intervened"};
  if (!has_points(chart)) {
    if (wanted.expected) made.missing.emplace_back(wanted.title);
    return;
  }
  if (wanted.events) chart.events = intervention_marks(log);
  std::string caption(wanted.caption);
  if (const std::string note = single_steps_note(log); !note.empty() && !wanted.single_steps.empty()) {
    caption += fmt::format(" {}: {}", note, wanted.single_steps);
  }
  if (std::ranges::any_of(chart.lines, [](const ChartLine& line) { return !line.behind.empty(); })) {
    caption += fmt::format(
        "{}Smoothed: each point is the mean of a {}th of the line, at its ends the straight line fitted to as "
        "much of it; the line itself stands pale behind.",
        caption.empty() ? "" : " ", kSmoothedPart);
  }
  made.figures.push_back(
      {std::string(wanted.id), std::string(wanted.title), std::move(caption), describe(chart), draw(chart)});
}

LineFigure zeros_figure() {
  return {.id = "zeros",
          .title = "Zeros among the ternary weights (the paper's Figure 3)",
          .y_label = "fraction of zeros",
          .caption = "“Overall” counts weights; a part's line is the plain mean over its matrices."};
}

// Overall, and by part of the model: "decoder" for zeros/decoder.layers.0.ffn.up and its like.
std::vector<ChartLine> zeros_lines(const TrainingLog& log) {
  constexpr Source kOverall{.name = "overall", .emphasised = true};
  std::vector<ChartLine> lines;
  for (const char* tag : {"zeros/overall", "quantization/zero_fraction"}) {
    if (const auto points = log.scalar(tag); !points.empty())
      lines.push_back(make_line("overall", points, kOverall, false));
  }
  struct Sum {
    double zeros = 0;
    double matrices = 0;
  };
  std::map<std::string, std::map<double, Sum>> parts;  // by name, then by step
  for (const auto& [matrix, points] : log.scalars_of(kZeros, "")) {
    if (matrix == "overall") continue;
    for (const Point& point : points) {
      Sum& sum = parts[matrix.substr(0, matrix.find('.'))][point.x];
      sum.zeros += point.y;  // a gap in one is a gap in the mean
      ++sum.matrices;
    }
  }
  for (const auto& [part, steps] : parts) {
    ChartLine& line = lines.emplace_back(ChartLine{.name = part});
    for (const auto& [step, sum] : steps) line.points.push_back({step, sum.zeros / sum.matrices});
  }
  return lines;
}

// "decoder.layers.0.attention.query" -> "decoder 0 query": short enough to stand beside a row.
std::string short_name(const std::string& matrix) {
  std::string name;
  for (const auto part : std::views::split(matrix, '.')) {
    const std::string_view word(part.begin(), part.end());
    if (word == "layers" || word == "attention" || word == "ffn") continue;
    name += fmt::format("{}{}", name.empty() ? "" : " ", word);
  }
  return name;
}

Result<void> add_zeros_map(const TrainingLog& log, TrainingFigures& made) {
  constexpr const char* kTitle = "Zeros by matrix (the paper's Figure 3)";
  std::map<double, std::vector<double>> columns;
  std::vector<std::string> names;
  auto matrices = log.scalars_of(kZeros, "");
  std::erase_if(matrices, [](const auto& matrix) { return matrix.first == "overall"; });
  std::optional<Range> limits;
  for (const auto& [matrix, points] : matrices) {
    names.push_back(short_name(matrix));
    limits = join(limits, y_range(points));
    for (const Point& point : points) {
      auto& column = columns[point.x];
      column.resize(matrices.size(), kGap);
      column[names.size() - 1] = point.y;
    }
  }
  if (!limits) {
    made.missing.emplace_back(kTitle);
    return {};
  }
  HeatMap map{.x_label = kSteps,
              .y_label = "matrix",
              .value_label = "fraction of zeros",
              .row_names = names,
              .limits = *limits};
  std::vector<double> steps;
  for (const auto& [step, column] : columns) {
    steps.push_back(step);
    map.columns.push_back(column);
  }
  map.column_edges = edges_between(steps);
  std::string description = fmt::format("{} matrices from step {} to {}. At the end:", names.size(),
                                        format_value(steps.front()), format_value(steps.back()));
  for (std::size_t row = 0; row < names.size(); ++row) {
    description += fmt::format("{} {} {}", row == 0 ? "" : ",", names[row], format_value(map.columns.back()[row]));
  }
  BITMAR_TRY(Drawing drawing, draw(map));
  made.figures.push_back(
      {"zeros-by-matrix", kTitle, "Each row is a ternary matrix.", description + ".", std::move(drawing)});
  return {};
}

// What differs between the two figures of the slots.
struct SlotFigure {
  const char* tag;
  const char* id;
  const char* title;
  const char* value_label;
  const char* caption;
  bool relative;  // to an even reading, on a logarithmic scale
};

constexpr SlotFigure kSlotFigures[] = {
    {"memory/slot_activation", "slot-activation", "Slot activation (the paper's Figure 2)",
     "times an even reading (log)",
     "How much of the read attention each slot has, averaged over a batch, as a multiple of the share 1/K that all K "
     "slots "
     "would have of an even reading.",
     true},
    {"memory/slot_usage", "slot-usage", "Slot usage", "usage",
     "The usage that the memory keeps for each slot: a slot that nobody reads fades.", false},
};

std::string describe(const HeatMap& map, std::span<const Frame> frames, const char* values) {
  const std::vector<double>& last = map.columns.back();
  const auto most = std::ranges::max_element(last, {}, [](double value) { return std::isnan(value) ? -1.0 : value; });
  std::vector<double> sorted;
  std::ranges::copy_if(last, std::back_inserter(sorted), [](double value) { return !std::isnan(value); });
  std::ranges::sort(sorted);
  std::string text = fmt::format("{} slots at {} moments from step {} to {}.", row_count(map), frames.size(),
                                 format_value(frames.front().step), format_value(frames.back().step));
  if (sorted.empty()) return text;
  return text + fmt::format(" At the last, slot {} has the most: {} {}; the median slot has {}.", most - last.begin(),
                            format_value(*most), values, format_value(sorted[sorted.size() / 2]));
}

Result<void> add_slot_figure(const SlotFigure& wanted, std::span<const Frame> frames, TrainingFigures& made) {
  HeatMap map{
      .x_label = kSteps, .y_label = "memory slot", .value_label = wanted.value_label, .logarithmic = wanted.relative};
  std::vector<double> steps;
  std::vector<double> all;
  for (const Frame& frame : frames) {
    steps.push_back(frame.step);
    const double factor = wanted.relative ? static_cast<double>(frame.values.size()) : 1.0;
    std::vector<double>& column = map.columns.emplace_back();
    for (const double value : frame.values) column.push_back(factor * value);
    all.insert(all.end(), column.begin(), column.end());
  }
  const std::optional<Range> range = range_of(all);
  if (!range || !(range->high > 0)) {
    made.missing.emplace_back(wanted.title);
    return {};
  }
  // A thousandth of the most is as good as nothing.
  map.limits = wanted.relative ? Range{std::max(range->low, 1e-3 * range->high), range->high}
                               : Range{std::min(0.0, range->low), range->high};
  map.column_edges = edges_between(steps);
  std::string description = describe(map, frames, wanted.value_label);
  BITMAR_TRY(Drawing drawing, draw(map));
  made.figures.push_back({wanted.id, wanted.title, wanted.caption, std::move(description), std::move(drawing)});
  return {};
}

Result<void> add_slot_figures(const TrainingLog& log, TrainingFigures& made) {
  for (const SlotFigure& figure : kSlotFigures) BITMAR_TRY_VOID(add_slot_figure(figure, log.vector(figure.tag), made));
  return {};
}

std::vector<LineFigure> learning_figures() {
  return {
      {.id = "loss",
       .title = "Training loss",
       .y_label = "cross-entropy, nats a token",
       .caption = "By stream of the mixture, and the mean of all.",
       .single_steps = "“all” is that stream's, blank where it learned from rewards, and a stream that no logged step "
                       "met is missing.",
       .sources = {{"stream/", "/loss"},
                   {.prefix = "loss/language", .name = "all", .emphasised = true},
                   {.prefix = "finetune/loss", .name = "fine-tuning"},
                   {.prefix = "loss/smooth_l1", .name = "distillation, smooth L1"}},
       .smoothed = true},
      {.id = "perplexity",
       .title = "Validation perplexity",
       .y_label = "perplexity, full vocabulary (log scale)",
       .caption = "On held-out data of each domain.",
       .sources = {{"validation/", "/perplexity"}},
       .logarithmic = true},
      {.id = "contrast",
       .title = "Contrastive loss",
       .y_label = "InfoNCE, nats",
       .caption = "Of image and text within a batch.",
       .single_steps = "the level jumps where another stream's photos meet the logged steps.",
       .sources = {{.prefix = "loss/contrast", .name = "contrastive loss"}},
       .smoothed = true,
       .from_zero = true},
      {.id = "cosine",
       .title = "Cosine of image and text",
       .y_label = "cosine of matching pairs",
       .caption = "“Average” is the moving mean that the adaptive controller watches.",
       .sources = {{.prefix = "alignment/average_cosine", .name = "training, average"},
                   {"validation/", "/cosine"},
                   {.prefix = "distill/training_cosine", .name = "distillation, training"},
                   {.prefix = "distill/validation_cosine", .name = "distillation, validation"}},
       .events = true},
      {.id = "reward",
       .title = "CIDEr of the model's own captions",
       .y_label = "CIDEr",
       .caption = "In training: of captions drawn at random, which the model learns from. In validation: of greedy "
                  "ones.",
       .sources = {{"stream/", "/reward"}, {"validation/", "/cider"}},
       .smoothed = true,
       .from_zero = true,
       .expected = false},
      {.id = "scores",
       .title = "Validation scores",
       .y_label = "score",
       .caption = "",
       .sources = {{.prefix = "validation/accuracy", .name = "accuracy"}, {.prefix = "validation/f1", .name = "F1"}},
       .expected = false},
  };
}

std::vector<LineFigure> memory_figures() {
  return {
      {.id = "effective-slots",
       .title = "Effective memory slots",
       .y_label = "slots",
       .caption =
           "The exponential of the entropy of the mean read attention: so many slots, read evenly, have the same "
           "entropy.",
       .sources = {{.prefix = "memory/effective_slots", .name = "effective slots"}},
       .from_zero = true},
      {.id = "usage-entropy",
       .title = "Entropy of slot usage",
       .y_label = "entropy, nats",
       .caption = "Of the usage as shares of its sum; ln K where all K slots are used alike.",
       .sources = {{.prefix = "memory/usage_entropy", .name = "entropy of usage"}},
       .from_zero = true},
  };
}

LineFigure learning_rate_figure() {
  return {.id = "learning-rate",
          .title = "Learning rate",
          .y_label = "learning rate",
          .caption = "",
          .sources = {{.prefix = "train/learning_rate", .name = "learning rate"},
                      {.prefix = "optimizer/learning_rate", .name = "learning rate"},
                      {.prefix = "finetune/learning_rate", .name = "learning rate"}},
          .from_zero = true};
}

}  // namespace

Result<TrainingFigures> training_figures(const TrainingLog& log) {
  TrainingFigures made;
  const auto add = [&](const LineFigure& figure) { add_line_figure(figure, make_lines(log, figure), log, made); };
  for (const LineFigure& figure : learning_figures()) add(figure);
  BITMAR_TRY_VOID(add_slot_figures(log, made));
  for (const LineFigure& figure : memory_figures()) add(figure);
  add_line_figure(zeros_figure(), zeros_lines(log), log, made);
  BITMAR_TRY_VOID(add_zeros_map(log, made));
  add(learning_rate_figure());
  return made;
}

}  // namespace bitmar::report
