// ThreadPool where there are no threads: a pool of one, whatever was asked for.
#include "base/thread_pool.h"

namespace bitmar {

struct ThreadPool::State {};

ThreadPool::ThreadPool(std::size_t /*threads*/) {}

ThreadPool::~ThreadPool() = default;

std::size_t ThreadPool::size() const {
  return 1;
}

void ThreadPool::parallel_for(std::size_t count, std::size_t /*granule*/,
                              const std::function<void(std::size_t begin, std::size_t end)>& body) {
  if (count != 0) body(0, count);
}

}  // namespace bitmar
