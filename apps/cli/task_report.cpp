#include "task_report.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace bitmar::cli {
namespace {

constexpr std::string_view kRow = "{:<45} {:>8} {:>18} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>7} {:>8}\n";

// As many digits as the columns hold: 0.1234, 17.31, 50257.
std::string number(const std::optional<double>& value) {
  if (!value) return "";
  const double size = std::abs(*value);
  if (size < 10) return fmt::format("{:.4f}", *value);
  if (size < 1000) return fmt::format("{:.2f}", *value);
  return size < 1e6 ? fmt::format("{:.0f}", *value) : fmt::format("{:.2e}", *value);
}

std::string interval(const std::optional<Interval>& value) {
  return value ? fmt::format("{}..{}", number(value->low), number(value->high)) : "";
}

// The first score names the group; further ones only their metric.
std::string group_rows(const std::string& name, const ScoreGroup& group, const std::string& seconds) {
  std::string rows;
  for (const Score& score : group.scores) {
    const bool first = &score == &group.scores.front();
    rows += fmt::format(fmt::runtime(kRow), first ? fmt::format("{} {}", name, score.metric) : "  " + score.metric,
                        number(score.value), interval(score.interval), number(score.chance), number(score.uniform),
                        number(score.majority), number(score.no_image), number(score.shuffled_images),
                        first ? std::to_string(group.ties) : "", first ? std::to_string(group.items) : "",
                        first ? seconds : "");
  }
  return rows;
}

}  // namespace

std::string task_table(std::span<const TaskResult> results, bool parts) {
  std::string table = fmt::format(fmt::runtime(kRow), "", "score", "95 %", "chance", "uniform", "majority", "no image",
                                  "shuffled", "ties", "items", "seconds");
  for (const TaskResult& result : results) {
    table += group_rows(result.task, result.total, fmt::format("{:.1f}", result.seconds));
    for (const ScoreGroup& part : result.parts) {
      if (parts) table += group_rows("    " + part.name, part, "");
    }
  }
  return table;
}

}  // namespace bitmar::cli
