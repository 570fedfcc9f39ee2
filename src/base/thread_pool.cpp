#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace bitmar {
namespace {

// A worker that spins answers within a fraction of a microsecond; one that sleeps needs tens. The kernels of one token
// follow each other within this many polls (some tens of microseconds), so a decoding worker never sleeps, and an idle
// one soon does.
constexpr int kSpinPolls = 1000;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

// Returns the value once it differs from `old`: polls at first, then sleeps.
int wait_for_change(const std::atomic<int>& value, int old, int polls) {
  for (int poll = 0; poll < polls; ++poll) {
    if (const int now = value.load(std::memory_order_acquire); now != old) return now;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

struct ThreadPool::State {
  // One cache line or more each, so that a poll disturbs nobody else.
  struct alignas(128) Worker {
    std::atomic<int> ticket{0};  // changes when there is a range to run
    std::size_t begin = 0;
    std::size_t end = 0;
    std::thread thread;
  };

  explicit State(std::size_t threads) : workers(threads - 1) {
    // With more threads than processors a spinning thread only keeps another from its work.
    const std::size_t processors = std::thread::hardware_concurrency();
    polls = processors != 0 && threads > processors ? 0 : kSpinPolls;
    for (Worker& worker : workers) worker.thread = std::thread([this, &worker] { run(worker); });
  }

  ~State() {
    stopping.store(true, std::memory_order_release);
    for (Worker& worker : workers) {
      wake(worker);
      worker.thread.join();
    }
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static void wake(Worker& worker) {
    worker.ticket.fetch_add(1, std::memory_order_release);
    worker.ticket.notify_one();
  }

  void run(Worker& worker) {
    int seen = 0;
    for (;;) {
      seen = wait_for_change(worker.ticket, seen, polls);
      if (stopping.load(std::memory_order_acquire)) return;
      (*body)(worker.begin, worker.end);
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished.notify_one();
    }
  }

  std::vector<Worker> workers;
  int polls = 0;
  std::atomic<bool> stopping{false};
  alignas(128) std::atomic<int> unfinished{0};
  const std::function<void(std::size_t, std::size_t)>* body = nullptr;
};

ThreadPool::ThreadPool(std::size_t threads) : state_(std::make_unique<State>(std::max<std::size_t>(threads, 1))) {}

ThreadPool::~ThreadPool() = default;

std::size_t ThreadPool::size() const {
  return state_->workers.size() + 1;
}

void ThreadPool::parallel_for(std::size_t count, std::size_t granule,
                              const std::function<void(std::size_t begin, std::size_t end)>& body) {
  if (count == 0) return;
  granule = std::max<std::size_t>(granule, 1);
  const std::size_t granules = count / granule + (count % granule != 0);
  const std::size_t ranges = std::min(size(), granules);
  // Range i is granules [i * granules / ranges, (i + 1) * granules / ranges), in overflow-free form.
  const auto boundary = [&](std::size_t index) {
    const std::size_t cut = granules / ranges * index + std::min(index, granules % ranges);
    return cut >= granules ? count : cut * granule;
  };
  if (ranges == 1) {
    body(0, count);
    return;
  }
  state_->body = &body;
  state_->unfinished.store(static_cast<int>(ranges - 1), std::memory_order_relaxed);
  for (std::size_t index = 1; index < ranges; ++index) {
    State::Worker& worker = state_->workers[index - 1];
    worker.begin = boundary(index);
    worker.end = boundary(index + 1);
    State::wake(worker);
  }
  body(0, boundary(1));
  int left = state_->unfinished.load(std::memory_order_acquire);
  while (left != 0) left = wait_for_change(state_->unfinished, left, state_->polls);
}

}  // namespace bitmar
