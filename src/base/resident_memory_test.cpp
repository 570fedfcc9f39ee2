#include "base/resident_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

namespace bitmar {
namespace {

TEST(ResidentMemory, FollowsWhatIsTouchedAndReleased) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  constexpr std::size_t kTolerance = std::size_t{8} << 20;  // the kernel counts in batches
  const auto before = resident_memory();
  ASSERT_TRUE(before) << before.error().message;
  void* block = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(block, MAP_FAILED);
  std::memset(block, 1, kBytes);
  const auto touched = resident_memory();
  ASSERT_EQ(::munmap(block, kBytes), 0);
  const auto released = resident_memory();
  ASSERT_TRUE(touched && released);

  EXPECT_GE(touched->current + kTolerance, before->current + kBytes);
  EXPECT_GE(touched->peak, touched->current);
  EXPECT_LE(released->current, touched->current - kBytes + kTolerance);
  EXPECT_GE(released->peak + kTolerance, touched->current);
}

}  // namespace
}  // namespace bitmar
