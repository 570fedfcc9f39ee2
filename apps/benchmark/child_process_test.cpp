#include "apps/benchmark/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using Numbers = Result<std::vector<double>>;

TEST(ChildProcess, ReturnsNumbersAndLeavesThisProcessAsItWas) {
  int changed = 0;
  const Numbers numbers = measure_in_child([&]() -> Numbers {
    changed = 1;
    return std::vector<double>(10'000, 0.5);
  });
  ASSERT_TRUE(numbers) << numbers.error().message;
  EXPECT_EQ(*numbers, std::vector<double>(10'000, 0.5));
  EXPECT_EQ(changed, 0);
  EXPECT_TRUE(measure_in_child([]() -> Numbers { return std::vector<double>(); })->empty());
}

TEST(ChildProcess, ReturnsTheError) {
  const Numbers failed = measure_in_child([]() -> Numbers { return fail(ErrorCode::kNotFound, "no model here"); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(failed.error().message, "no model here");
  const Numbers thrown = measure_in_child([]() -> Numbers { throw std::runtime_error("thrown"); });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().message, "thrown");
}

TEST(ChildProcess, AChildThatDiesIsAnError) {
  const Numbers exited = measure_in_child([]() -> Numbers { ::_exit(3); });
  ASSERT_FALSE(exited);
  EXPECT_EQ(exited.error().code, ErrorCode::kIo);
  EXPECT_THAT(exited.error().message, HasSubstr("ended early"));
}

}  // namespace
}  // namespace bitmar
