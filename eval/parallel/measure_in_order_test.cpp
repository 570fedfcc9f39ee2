#include "eval/parallel/measure_in_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <span>
#include <thread>
#include <vector>

namespace bitmar {
namespace {

using ::testing::ElementsAreArray;

struct Worker {};

std::vector<int> numbers(std::size_t first, std::size_t count) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), static_cast<int>(first));
  return values;
}

TEST(MeasureInOrder, PassesOnABeginningOfTheWholeHoweverWorkersFinish) {
  for (const std::size_t together : {1u, 3u, 16u, 100u}) {
    std::vector<Worker> workers(4);
    // The first groups take longest.
    const auto work = [&](Worker&, std::size_t first, std::size_t count) -> Result<std::vector<int>> {
      EXPECT_LE(count, together);
      std::this_thread::sleep_for(std::chrono::microseconds(first < 20 ? 2000 : 10));
      return numbers(first, count);
    };
    std::vector<int> passed;
    const auto sink = [&](std::span<const int> next) -> Result<void> {
      EXPECT_FALSE(next.empty());
      passed.insert(passed.end(), next.begin(), next.end());
      return {};
    };
    const auto values = measure_in_order<int>(std::span(workers), 47, together, work, sink);
    ASSERT_TRUE(values) << values.error().message;
    EXPECT_THAT(*values, ElementsAreArray(numbers(0, 47)));
    EXPECT_EQ(passed, *values);
    EXPECT_EQ(*measure_in_order<int>(std::span(workers), 47, together, work, {}), *values);
  }
  std::vector<Worker> workers(1);
  const auto none = [](Worker&, std::size_t, std::size_t) -> Result<std::vector<int>> { return std::vector<int>(); };
  EXPECT_TRUE(measure_in_order<int>(std::span(workers), 0, 4, none, {})->empty());
}

TEST(MeasureInOrder, AnErrorEndsItAndNothingBehindItIsPassedOn) {
  std::vector<Worker> workers(3);
  std::vector<int> passed;
  const auto keep = [&](std::span<const int> next) -> Result<void> {
    passed.insert(passed.end(), next.begin(), next.end());
    return {};
  };
  const auto breaks = [](Worker&, std::size_t first, std::size_t count) -> Result<std::vector<int>> {
    if (first == 10) return fail(ErrorCode::kIo, "item 10");
    return numbers(first, count);
  };
  const auto broken = measure_in_order<int>(std::span(workers), 30, 2, breaks, keep);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().message, "item 10");
  EXPECT_THAT(passed, ElementsAreArray(numbers(0, passed.size())));
  EXPECT_LE(passed.size(), 10u);

  // A sink that fails is not called again, although other workers go on for a while.
  int calls = 0;
  const auto full = [&](std::span<const int>) -> Result<void> {
    ++calls;
    return fail(ErrorCode::kIo, "disk full");
  };
  const auto work = [](Worker&, std::size_t first, std::size_t count) -> Result<std::vector<int>> {
    return numbers(first, count);
  };
  EXPECT_EQ(measure_in_order<int>(std::span(workers), 3000, 1, work, full).error().message, "disk full");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace bitmar
