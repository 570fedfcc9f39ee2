#include "kernels/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

namespace bitmar {
namespace {

TEST(AlignedBuffer, IsZeroedAndAlignedAtEverySize) {
  for (std::size_t count = 0; count < 300; ++count) {
    AlignedBuffer<float> buffer(count);
    ASSERT_EQ(buffer.size(), count);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer<float>::kAlignment, 0u);
    ASSERT_TRUE(std::ranges::all_of(buffer.span(), [](float value) { return value == 0.0f; }));
    std::ranges::fill(buffer.span(), 1.0f);  // so that memory which is used again is not zero by chance
  }
}

TEST(AlignedBuffer, GrowingDropsTheContentsAndShrinkingKeepsThem) {
  AlignedBuffer<int> buffer(10);
  std::ranges::fill(buffer.span(), 3);
  const int* const place = buffer.data();
  buffer.resize(4);
  buffer.resize(10);
  EXPECT_EQ(buffer.data(), place);
  EXPECT_TRUE(std::ranges::all_of(buffer.span(), [](int value) { return value == 3; }));
  buffer.resize(11);
  EXPECT_TRUE(std::ranges::all_of(buffer.span(), [](int value) { return value == 0; }));
}

TEST(AlignedBuffer, MovesLeaveAnEmptyBuffer) {
  AlignedBuffer<int> first(5);
  first.data()[4] = 9;
  AlignedBuffer<int> second(std::move(first));
  AlignedBuffer<int> third;
  third = std::move(second);
  EXPECT_EQ(third.span()[4], 9);
  for (auto* moved : {&first, &second}) {
    EXPECT_EQ(moved->size(), 0u);
    EXPECT_EQ(moved->data(), nullptr);
    moved->resize(2);
    EXPECT_EQ(moved->span()[1], 0);
  }
}

TEST(AlignedBuffer, ACopyHasMemoryOfItsOwn) {
  AlignedBuffer<int> first(5);
  first.data()[4] = 9;
  AlignedBuffer<int> second(first);
  first.data()[4] = 1;
  EXPECT_EQ(second.span()[4], 9);
  first = second;
  EXPECT_EQ(first.span()[4], 9);
  EXPECT_NE(first.data(), second.data());
}

#if defined(__cpp_exceptions)
TEST(AlignedBuffer, SizesBeyondTheAddressSpaceAreOutOfMemory) {
  EXPECT_THROW(AlignedBuffer<double>(SIZE_MAX / 8), std::bad_alloc);
  EXPECT_THROW(AlignedBuffer<double>(SIZE_MAX), std::bad_alloc);
}
#endif

}  // namespace
}  // namespace bitmar
