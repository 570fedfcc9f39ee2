#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace bitmar {
namespace {

using Range = std::pair<std::size_t, std::size_t>;

std::vector<Range> ranges_of(ThreadPool& pool, std::size_t count, std::size_t granule) {
  std::mutex mutex;
  std::set<Range> ranges;
  pool.parallel_for(count, granule, [&](std::size_t begin, std::size_t end) {
    const std::scoped_lock lock(mutex);
    ranges.emplace(begin, end);
  });
  return {ranges.begin(), ranges.end()};
}

TEST(ThreadPool, RangesCoverExactlyAndStayOnGranules) {
  for (const std::size_t threads : {1u, 2u, 3u, 5u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const std::size_t granule : {1u, 7u, 32u}) {
      for (const std::size_t count : {1u, 2u, 6u, 7u, 8u, 31u, 32u, 33u, 63u, 64u, 65u, 50257u}) {
        const std::vector<Range> ranges = ranges_of(pool, count, granule);
        ASSERT_FALSE(ranges.empty());
        EXPECT_LE(ranges.size(), 4 * threads);
        EXPECT_EQ(ranges.back().second, count);
        for (std::size_t i = 0; i < ranges.size(); ++i) {
          EXPECT_LT(ranges[i].first, ranges[i].second);
          EXPECT_EQ(ranges[i].first % granule, 0u);
          EXPECT_EQ(ranges[i].first, i == 0 ? 0 : ranges[i - 1].second);
        }
      }
    }
  }
}

TEST(ThreadPool, UsesEveryThreadWhenThereIsWorkForAll) {
  ThreadPool pool(4);
  // Every range waits until four have begun: that takes four threads.
  std::atomic<int> begun{0};
  pool.parallel_for(4, 1, [&](std::size_t begin, std::size_t end) {
    EXPECT_EQ(end, begin + 1);
    begun.fetch_add(1);
    begun.notify_all();
    for (int now = begun.load(); now < 4; now = begun.load()) begun.wait(now);
  });
  EXPECT_EQ(begun, 4);
  EXPECT_EQ(ranges_of(pool, 9, 3).size(), 3u);
}

TEST(ThreadPool, NothingToDoCallsNothing) {
  ThreadPool pool(3);
  EXPECT_TRUE(ranges_of(pool, 0, 8).empty());
}

TEST(ThreadPool, GranuleZeroCountsAsOne) {
  ThreadPool pool(2);
  EXPECT_EQ(ranges_of(pool, 2, 0), (std::vector<Range>{{0, 1}, {1, 2}}));
}

TEST(ThreadPool, SizeOneAndZeroRunInTheCallingThread) {
  for (const std::size_t threads : {0u, 1u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), 1u);
    std::thread::id id;
    pool.parallel_for(100, 1, [&](std::size_t, std::size_t) { id = std::this_thread::get_id(); });
    EXPECT_EQ(id, std::this_thread::get_id());
  }
}

TEST(ThreadPool, ManyRoundsSeeEachOthersWrites) {
  ThreadPool pool(3);
  constexpr std::size_t kCount = 64;
  // Plain memory: every round reads, across range boundaries, what all threads wrote in the round before.
  std::vector<std::size_t> before(kCount, 0);
  std::vector<std::size_t> after(kCount, 0);
  for (std::size_t round = 0; round < 3000; ++round) {
    pool.parallel_for(kCount, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) after[i] = before[(i + 31) % kCount] + 1;
    });
    std::swap(before, after);
  }
  for (const std::size_t value : before) EXPECT_EQ(value, 3000u);
}

TEST(ThreadPool, WakesWorkersThatSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<std::size_t> done{0};
    pool.parallel_for(30, 1, [&](std::size_t begin, std::size_t end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      done += end - begin;
    });
    EXPECT_EQ(done, 30u);
  }
}

// A thread that is late for one job meets the beginning of the next. More threads than processors, so that some are
// taken away at any place; jobs of few and many ranges in turn, so that a late thread's next range of the one exists in
// the other.
TEST(ThreadPool, LateThreadsTakeNoPartOfTheNextJob) {
  ThreadPool pool(2 * std::thread::hardware_concurrency() + 2);
  std::vector<std::atomic<int>> runs(64);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (std::size_t round = 0; std::chrono::steady_clock::now() < until; ++round) {
    const std::size_t count = round % 2 == 0 ? 2 : runs.size();
    pool.parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) runs[i].fetch_add(1, std::memory_order_relaxed);
    });
    for (std::size_t i = 0; i < runs.size(); ++i)
      ASSERT_EQ(runs[i].exchange(0), i < count ? 1 : 0) << round << ' ' << i;
  }
}

}  // namespace
}  // namespace bitmar
