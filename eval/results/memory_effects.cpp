#include "eval/results/memory_effects.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitmar {

std::vector<MemoryEffect> memory_effects(std::span<const TaskResult> memory_on, std::span<const TaskResult> memory_off,
                                         std::uint64_t seed) {
  std::vector<MemoryEffect> effects;
  for (const TaskResult& on : memory_on) {
    const auto off = std::ranges::find(memory_off, on.task, &TaskResult::task);
    if (off == memory_off.end() || on.total.scores.empty() || off->total.scores.empty()) continue;
    MemoryEffect& effect = effects.emplace_back();
    effect.task = on.task;
    effect.metric = on.total.scores.front().metric;
    effect.on = on.total.scores.front().value;
    effect.off = off->total.scores.front().value;
    if (on.values.values.empty() || on.values.values.size() != off->values.values.size()) continue;
    effect.paired = paired_difference(on.values, off->values, {.seed = seed});
    assert(std::abs(effect.paired->difference - (effect.on - effect.off)) <=
           1e-9 * (std::abs(effect.on) + std::abs(effect.off)));
  }
  return effects;
}

}  // namespace bitmar
