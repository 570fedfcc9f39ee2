#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace bitmar {
namespace {

// A worker that spins answers within a fraction of a microsecond; one that sleeps needs tens. The large products of one
// token follow each other within this time, so a decoding worker never sleeps, and an idle one soon does.
constexpr std::chrono::microseconds kSpinTime{200};
constexpr int kPollsPerClock = 64;

// More ranges than threads: a thread that the system has taken away holds up one small range, not half of the work.
constexpr std::size_t kRangesPerThread = 4;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

// Polls until done() or the spin time is over; whether done() held.
template <typename Done>
bool spin_until(bool spins, const Done& done) {
  if (done()) return true;
  if (!spins) return false;
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int poll = 0; poll < kPollsPerClock; ++poll) {
      relax();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

// A ticket: 32 bits of a job's number, 16 of how many ranges it has, 16 of how many are claimed.
constexpr std::uint64_t kCountBits = 16;
constexpr std::uint64_t kCountMask = (std::uint64_t{1} << kCountBits) - 1;

std::uint64_t job_of(std::uint64_t ticket) {
  return ticket >> (2 * kCountBits);
}
std::size_t ranges_of(std::uint64_t ticket) {
  return static_cast<std::size_t>((ticket >> kCountBits) & kCountMask);
}
std::size_t claimed_of(std::uint64_t ticket) {
  return static_cast<std::size_t>(ticket & kCountMask);
}
std::uint64_t ticket_of(std::uint64_t job, std::size_t ranges) {
  return job << (2 * kCountBits) | static_cast<std::uint64_t>(ranges) << kCountBits;
}

}  // namespace

// A job is a number of ranges that threads, the caller's among them, claim one after the other. All that a claim
// depends on stands in the ticket: a late thread, whose job has ended, finds nothing left by its own copy, or fails to
// exchange it. Who has claimed a range may read the rest of the job, which does not end before that range is done.
struct ThreadPool::State {
  explicit State(std::size_t threads) {
    // With more threads than processors a spinning thread only keeps another from its work.
    const std::size_t processors = std::thread::hardware_concurrency();
    spins = processors == 0 || threads <= processors;
    for (std::size_t i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
  }

  ~State() {
    stopping.store(true, std::memory_order_relaxed);
    ticket.store(ticket_of(job_of(ticket.load(std::memory_order_relaxed)) + 1, 0), std::memory_order_seq_cst);
    ticket.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Range i is granules [i * granules / ranges, (i + 1) * granules / ranges), in overflow-free form.
  static std::size_t boundary(std::size_t index, std::size_t count, std::size_t granule, std::size_t ranges) {
    const std::size_t granules = count / granule + (count % granule != 0);
    const std::size_t cut = granules / ranges * index + std::min(index, granules % ranges);
    return cut >= granules ? count : cut * granule;
  }

  // Runs ranges of the job that `seen` belongs to until none is left to claim.
  void run_ranges(std::uint64_t seen) {
    const std::uint64_t job = job_of(seen);
    const std::size_t parts = ranges_of(seen);
    while (job_of(seen) == job && claimed_of(seen) < parts) {
      if (!ticket.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      const std::size_t index = claimed_of(seen);
      const std::size_t all = count.load(std::memory_order_relaxed);
      const std::size_t step = granule.load(std::memory_order_relaxed);
      const auto* run = body.load(std::memory_order_relaxed);
      (*run)(boundary(index, all, step, parts), boundary(index + 1, all, step, parts));
      if (finished.fetch_add(1, std::memory_order_acq_rel) + 1 == parts) finished.notify_one();
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void work() {
    std::uint64_t seen = 0;  // the last job looked at
    while (true) {
      std::uint64_t now = seen;
      const auto changed = [&] {
        now = ticket.load(std::memory_order_acquire);
        return job_of(now) != job_of(seen);
      };
      while (!spin_until(spins, changed)) {
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        if (!changed()) ticket.wait(now, std::memory_order_acquire);
        sleepers.fetch_sub(1, std::memory_order_relaxed);
      }
      if (stopping.load(std::memory_order_relaxed)) return;
      run_ranges(now);
      seen = now;
    }
  }

  std::vector<std::thread> workers;
  bool spins = true;
  std::atomic<bool> stopping{false};
  std::atomic<int> sleepers{0};
  alignas(128) std::atomic<std::uint64_t> ticket{0};
  alignas(128) std::atomic<std::size_t> finished{0};
  // The job, for those who have claimed a range of it.
  alignas(128) std::atomic<const std::function<void(std::size_t, std::size_t)>*> body{nullptr};
  std::atomic<std::size_t> count{0};
  std::atomic<std::size_t> granule{1};
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
  const std::size_t ranges = std::min({size() * kRangesPerThread, granules, std::size_t{kCountMask}});
  if (size() == 1 || ranges == 1) {
    body(0, count);
    return;
  }
  State& state = *state_;
  state.body.store(&body, std::memory_order_relaxed);
  state.count.store(count, std::memory_order_relaxed);
  state.granule.store(granule, std::memory_order_relaxed);
  state.finished.store(0, std::memory_order_relaxed);
  const std::uint64_t next = ticket_of(job_of(state.ticket.load(std::memory_order_relaxed)) + 1, ranges);
  state.ticket.store(next, std::memory_order_seq_cst);
  if (state.sleepers.load(std::memory_order_seq_cst) != 0) state.ticket.notify_all();
  state.run_ranges(next);
  const auto all_finished = [&] { return state.finished.load(std::memory_order_acquire) == ranges; };
  while (!spin_until(state.spins, all_finished)) {
    const std::size_t finished = state.finished.load(std::memory_order_acquire);
    if (finished != ranges) state.finished.wait(finished, std::memory_order_acquire);
  }
}

}  // namespace bitmar
