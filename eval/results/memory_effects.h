// What the episodic memory does to the scores of tasks that were run with it and without.
//
//   run.effects = memory_effects(run.tasks, run.ablation, seed);
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/statistics/paired.h"
#include "eval/tasks/task.h"

namespace bitmar {

// A task with memory on and off: the first score of both, and their difference item by item where that is defined.
struct MemoryEffect {
  std::string task;
  std::string metric;
  double on = 0;
  double off = 0;
  std::optional<PairedDifference> paired;
};

// Of the tasks that both have, in the order of the first. The paired difference is on - off up to rounding.
[[nodiscard]] std::vector<MemoryEffect> memory_effects(std::span<const TaskResult> memory_on,
                                                       std::span<const TaskResult> memory_off, std::uint64_t seed);

}  // namespace bitmar
