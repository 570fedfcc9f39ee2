// Items divided among the threads of a pool, each of which has working memory of its own.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"

namespace bitmar {

// Calls body(item, thread) for every item of [0, count); the threads, at most `threads`, are numbered from 0. `pool`
// may be null where there is one.
template <typename Body>
void for_each_item(std::size_t count, std::size_t threads, ThreadPool* pool, const Body& body) {
  const std::size_t granule = (count + threads - 1) / threads;
  const auto run = [&](std::size_t begin, std::size_t end) {
    for (std::size_t item = begin; item < end; ++item) body(item, begin / granule);
  };
  if (threads == 1) return run(0, count);
  pool->parallel_for(count, granule, [&run](std::size_t begin, std::size_t end) { run(begin, end); });
}

}  // namespace bitmar
