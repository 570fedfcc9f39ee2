// Values of independent items, measured by several workers and passed on in the items' order: what was passed on when a
// run ends early is a beginning of the whole.
//
//   const auto work = [&](Session& session, std::size_t first, std::size_t count) -> Result<std::vector<Loss>> { … };
//   BITMAR_TRY(const auto losses, measure_in_order<Loss>(std::span(sessions), blocks, 1, work, sink));
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <functional>
#include <iterator>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "eval/parallel/for_each_item.h"

namespace bitmar {

// Takes the values of the next items, in the items' order, one call at a time; an error ends the run. May be empty.
template <typename Value>
using ValueSink = std::function<Result<void>(std::span<const Value>)>;

// One value an item. work(worker, first, count) -> Result<std::vector<Value>> measures `count` consecutive items, at
// most `together`; there is at least one worker.
template <typename Value, typename Worker, typename Work>
[[nodiscard]] Result<std::vector<Value>> measure_in_order(std::span<Worker> workers, std::size_t items,
                                                          std::size_t together, const Work& work,
                                                          const ValueSink<Value>& sink) {
  std::vector<Value> values(items);
  const std::size_t groups = (items + together - 1) / together;
  std::vector<bool> ready(groups);
  std::size_t passed = 0;  // groups
  Result<void> status;     // of the sink
  std::mutex mutex;
  const auto first_of = [&](std::size_t group) { return std::min(group * together, items); };
  const auto measure = [&](Worker& worker, std::size_t group) -> Result<void> {
    const std::size_t first = first_of(group);
    BITMAR_TRY(std::vector<Value> measured, work(worker, first, first_of(group + 1) - first));
    assert(measured.size() == first_of(group + 1) - first);
    const std::scoped_lock lock(mutex);
    std::ranges::move(measured, std::next(values.begin(), static_cast<std::ptrdiff_t>(first)));
    ready[group] = true;
    const std::size_t begin = passed;
    while (passed < groups && ready[passed]) ++passed;
    if (status && passed > begin && sink) {
      status = sink(std::span(std::as_const(values)).subspan(first_of(begin), first_of(passed) - first_of(begin)));
    }
    return status;
  };
  BITMAR_TRY_VOID(for_each_item(workers, groups, measure));
  return values;
}

}  // namespace bitmar
