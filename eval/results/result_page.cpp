#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "eval/results/evaluation_run.h"
#include "eval/results/published_scores.h"

namespace bitmar {
namespace {

// Four digits of what matters: 0.1234, 17.31, 50257.
std::string number(double value) {
  const double size = std::abs(value);
  if (size < 10) return fmt::format("{:.4f}", value);
  return size < 1000 ? fmt::format("{:.2f}", value) : fmt::format("{:.0f}", value);
}

std::string number(const std::optional<double>& value) {
  return value ? number(*value) : "";
}

std::string interval(const std::optional<Interval>& value) {
  return value ? fmt::format("{} to {}", number(value->low), number(value->high)) : "";
}

std::string score_rows(const std::string& name, const ScoreGroup& group) {
  std::string rows;
  for (const Score& score : group.scores) {
    const bool first = &score == &group.scores.front();
    rows += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", first ? name : "", score.metric,
                        number(score.value), interval(score.interval), number(score.chance), number(score.uniform),
                        number(score.majority), number(score.no_image), number(score.shuffled_images),
                        first ? std::to_string(group.items) : "", first ? std::to_string(group.ties) : "");
  }
  return rows;
}

constexpr std::string_view kScoreHead =
    "| | metric | score | 95 % | chance | uniform | majority | no image | shuffled images | items | ties |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|\n";

// Whether another item's image gives a score as good, as far as the items can tell.
bool ignores_the_image(const ScoreGroup& group) {
  if (group.scores.empty()) return false;
  const Score& score = group.scores.front();
  return score.shuffled_images && score.interval && *score.shuffled_images >= score.interval->low;
}

// Which tasks on images, and which of their parts, are not answered from the image. Empty: there are no such tasks.
std::string use_of_images(std::span<const TaskResult> tasks) {
  std::string ignored;
  bool any = false;
  const auto add = [&](const std::string& name, const ScoreGroup& group) {
    any = any || (!group.scores.empty() && group.scores.front().shuffled_images);
    if (ignores_the_image(group)) ignored += (ignored.empty() ? "" : "; ") + name;
  };
  for (const TaskResult& task : tasks) {
    add(task.task, task.total);
    for (const ScoreGroup& part : task.parts) add(fmt::format("{}: {}", task.task, part.name), part);
  }
  if (!any) return {};
  if (ignored.empty()) return "\nEvery task on images, in all its parts, scores lower with another item's image.\n";
  return fmt::format(
      "\nThe model does not use the image, as far as these items can tell, in: {}. Their score with another item's "
      "image "
      "lies inside the interval.\n",
      ignored);
}

std::string memory_table(const std::vector<MemoryEffect>& effects) {
  std::string table =
      "| | metric | memory on | memory off | difference | 95 %, paired | p |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const MemoryEffect& effect : effects) {
    table += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", effect.task, effect.metric, number(effect.on),
                         number(effect.off), number(effect.on - effect.off),
                         effect.paired ? interval(effect.paired->interval) : "",
                         effect.paired ? fmt::format("{:.3f}", effect.paired->p_value) : "");
  }
  return table;
}

std::string speed_table(const std::vector<SpeedRow>& rows) {
  std::string table =
      "| | unit | memory on | memory off |\n"
      "|---|---|---|---|\n";
  for (const SpeedRow& row : rows) {
    const bool measured = row.memory_on || row.memory_off;
    table += fmt::format("| {} | {} | {} | {} |\n", row.what, row.unit,
                         measured ? number(row.memory_on) : "not measurable here", number(row.memory_off));
  }
  return table;
}

std::string fine_tuned_rows(std::span<const TaskResult> tasks, std::string_view memory) {
  std::string rows;
  for (const TaskResult& task : tasks) {
    const std::vector<Score>& last_epoch = task.parts.front().scores;
    for (std::size_t i = 0; i < task.total.scores.size(); ++i) {
      const Score& score = task.total.scores[i];
      rows +=
          fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", i == 0 ? task.task : "", i == 0 ? memory : "",
                      score.metric, number(score.value), interval(score.interval), number(last_epoch[i].value),
                      number(score.chance), number(score.majority), i == 0 ? std::to_string(task.total.items) : "");
    }
  }
  return rows;
}

std::string fine_tuned_section(const FineTuned& scores, const std::vector<MemoryEffect>& effects) {
  std::string section = fmt::format(
      "\n## Fine-tuned\n\nFrom the checkpoint {}, step {}, by {}. The epoch is chosen on the items that are scored, as "
      "the pipeline does: *last epoch* is without that choice. *Constant* is the best that one answer for all items "
      "reaches.\n\n"
      "| | memory | metric | score | 95 % | last epoch | chance | constant | items |\n"
      "|---|---|---|---|---|---|---|---|---|\n",
      scores.checkpoint, scores.step, scores.settings);
  section += fine_tuned_rows(scores.tasks, "on") + fine_tuned_rows(scores.ablation, "off");
  return effects.empty() ? section : section + "\n" + memory_table(effects);
}

// The first scores of those tasks that other papers report too, in percent; empty where the run has none.
std::string published_table(const EvaluationRun& run) {
  std::vector<std::pair<std::size_t, const Score*>> columns;  // of kPublishedTasks
  for (std::size_t i = 0; i < kPublishedTasks.size(); ++i) {
    const auto task = std::ranges::find(run.tasks, kPublishedTasks[i], &TaskResult::task);
    if (task != run.tasks.end()) columns.emplace_back(i, &task->total.scores.front());
  }
  if (columns.empty()) return {};
  const auto row = [&](std::string_view name, const auto& score_of) {
    std::string line = fmt::format("| {} |", name);
    for (const auto& [index, score] : columns) {
      const std::optional<double> percent = score_of(index, *score);
      line += percent ? fmt::format(" {:.2f} |", *percent) : std::string(" |");
    }
    return line + "\n";
  };
  std::string table = "| |";
  for (const auto& column : columns) table += fmt::format(" {} |", kPublishedTasks[column.first]);
  table += "\n|---|";
  for (std::size_t i = 0; i < columns.size(); ++i) table += "---|";
  table += "\n";
  table += row("**this model**", [](std::size_t, const Score& score) { return std::optional(100.0 * score.value); });
  table += row("chance", [](std::size_t, const Score& score) {
    return score.chance ? std::optional(100.0 * *score.chance) : std::nullopt;
  });
  for (const PublishedModel& model : published_models()) {
    if (std::ranges::none_of(columns, [&](const auto& column) { return model.scores[column.first].has_value(); })) {
      continue;
    }
    table += row(model.name, [&](std::size_t index, const Score&) { return model.scores[index]; });
  }
  return table;
}

}  // namespace

std::string result_page(const EvaluationRun& run) {
  std::string page = "# Results\n\n| | |\n|---|---|\n";
  for (const Fact& fact : run.facts) page += fmt::format("| {} | {} |\n", fact.name, fact.value);
  page +=
      "\nIntervals are the middle 95 % of a bootstrap over the items. *Chance* guesses. *Uniform* is a model to which "
      "all tokens are alike: by likelihood alone it prefers the shortest answer, so that a score is no skill unless it "
      "exceeds this as well. *Majority* always gives the most frequent answer. An item with several best choices is a "
      "tie and counts one over their number. *No image* and *shuffled images* are the same items without the image and "
      "with another item's: a score that they equal does not come from looking.\n\n## Tasks\n\n";
  page += kScoreHead;
  for (const TaskResult& task : run.tasks) page += score_rows(task.task, task.total);
  page += use_of_images(run.tasks);
  if (const std::string table = published_table(run); !table.empty()) {
    page +=
        "\n## Beside published models\n\nPercent. The others are the baselines of BitMar's Table 1, 35 to 570 times "
        "as large, with the scores of the BitNet b1.58 2B4T report (arXiv 2504.12285, Table 3), by that report's "
        "prompts. BitMar's own paper (arXiv 2510.10560) reports 48.7 on the full BLiMP, where chance is 50; scores of "
        "its other tasks were not to be had.\n\n" +
        table;
  }
  if (run.fine_tuned) page += fine_tuned_section(*run.fine_tuned, run.fine_tuned_effects);
  if (!run.effects.empty()) {
    page +=
        "\n## Memory on and off\n\nThe same weights, items and prompts. p is two-sided, of a permutation test that "
        "swaps the two runs item by item; it is not corrected for the number of tasks.\n\n" +
        memory_table(run.effects);
  }
  if (!run.speed.empty()) page += "\n## Speed and memory use\n\n" + speed_table(run.speed);
  if (!run.training_report.empty()) {
    page += fmt::format("\n## Figures\n\nOf the training, on one page: [{0}]({0}).\n", run.training_report);
    for (const FigureFile& figure : run.figures) page += fmt::format("\n![{}]({})\n", figure.title, figure.file);
  }
  page += "\n## Parts\n\n";
  page += kScoreHead;
  for (const TaskResult& task : run.tasks) {
    for (const ScoreGroup& part : task.parts) page += score_rows(fmt::format("{}: {}", task.task, part.name), part);
  }
  if (!run.missing.empty()) {
    page += "\nNot run, for want of their files or of a vision tower:";
    for (const std::string& task : run.missing) page += fmt::format(" {}", task);
    page += ".\n";
  }
  return page;
}

}  // namespace bitmar
