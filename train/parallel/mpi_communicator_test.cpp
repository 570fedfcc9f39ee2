// Runs as several processes: mpirun -n 3 train_mpi_communicator_test.
#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/random.h"
#include "parallel/launch.h"

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;

class MpiTest : public ::testing::Test {
 public:
  static std::unique_ptr<Communicator> group;
};
std::unique_ptr<Communicator> MpiTest::group;

std::vector<float> values_of(std::uint32_t rank, std::size_t count) {
  Random random(rank + 1);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal() * std::exp(4 * random.normal()));
  return values;
}

TEST_F(MpiTest, SumsAreRightAndTheSameEverywhere) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{300'001}}) {
    std::vector<double> expected(count, 0.0), magnitude(count, 0.0);
    for (std::uint32_t rank = 0; rank < group->size(); ++rank) {
      const auto values = values_of(rank, count);
      for (std::size_t i = 0; i < count; ++i) {
        expected[i] += static_cast<double>(values[i]);
        magnitude[i] += std::abs(static_cast<double>(values[i]));
      }
    }
    auto sums = values_of(group->rank(), count);
    group->sum(std::span(sums));
    std::uint64_t print = 0;
    for (std::size_t i = 0; i < count; ++i) {
      // Each of size - 1 additions rounds once.
      ASSERT_LE(std::abs(static_cast<double>(sums[i]) - expected[i]), (group->size() - 1) * 0x1p-24 * magnitude[i]);
      print = print * 31 + std::bit_cast<std::uint32_t>(sums[i]);
    }
    const auto prints = group->gather(std::to_string(print));
    for (const auto& each : prints) EXPECT_EQ(each, prints[0]);
  }
}

TEST_F(MpiTest, DoublesSumAndMarksUnite) {
  const std::size_t size = group->size();
  std::vector<double> counts(size, 0.0);
  std::vector<std::uint8_t> marks(size + 1, 0);
  counts[group->rank()] = 1e-9 + group->rank();
  marks[group->rank()] = 1;
  group->sum(std::span(counts));
  group->maximum(std::span(marks));
  for (std::size_t i = 0; i < size; ++i) {
    EXPECT_EQ(counts[i], 1e-9 + static_cast<double>(i));
    EXPECT_EQ(marks[i], 1);
  }
  EXPECT_EQ(marks[size], 0);
}

TEST_F(MpiTest, TextsOfAnyLengthAreGatheredAndBroadcast) {
  const std::string own(group->rank() * 5000, static_cast<char>('a' + group->rank()));
  const auto texts = group->gather(own);
  ASSERT_EQ(texts.size(), group->size());
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    EXPECT_THAT(texts[rank], Eq(std::string(rank * 5000, static_cast<char>('a' + rank))));
  }
  EXPECT_EQ(group->broadcast(group->leads() ? std::string("led") : own), "led");
  EXPECT_EQ(group->broadcast(group->leads() ? std::string() : own), "");
}

TEST_F(MpiTest, AllFailWhereOneFails) {
  EXPECT_TRUE(group->agree({}));
  EXPECT_FALSE(group->failed_together());
  const bool last = group->rank() + 1 == group->size();
  const auto status = group->agree(last ? fail(ErrorCode::kNotFound, "no such shard") : Result<void>());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(status.error().message, HasSubstr("no such shard"));
  EXPECT_TRUE(group->failed_together());
}

TEST_F(MpiTest, RanksOfAMachineAreItsOwn) {
  EXPECT_EQ(group->local_rank(), group->rank());  // this test runs on one machine
}

}  // namespace
}  // namespace bitmar

int main(int argument_count, char** arguments) {
  ::testing::InitGoogleTest(&argument_count, arguments);
  auto group = bitmar::open_communicator({.report = [](const std::string& message) {
    std::fprintf(stderr, "lost: %s\n", message.c_str());
  }});
  if (!group) {
    std::fprintf(stderr, "%s\n", group.error().message.c_str());
    return 1;
  }
  bitmar::MpiTest::group = *std::move(group);
  if (bitmar::MpiTest::group->size() < 2) {
    std::fprintf(stderr, "start it with mpirun -n 3\n");
    return 1;
  }
  const int failures = RUN_ALL_TESTS();
  bitmar::MpiTest::group.reset();
  return failures;
}
