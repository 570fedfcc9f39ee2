#include "apps/benchmark/energy_meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace bitmar {
namespace {

using ::testing::HasSubstr;

class EnergyMeterTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& domain, std::uint64_t microjoules) {
    std::filesystem::create_directories(folder_ / domain);
    std::ofstream(folder_ / domain / "energy_uj") << microjoules << '\n';
    std::ofstream(folder_ / domain / "max_energy_range_uj") << 9'000'000 << '\n';
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      ("energy_meter_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(EnergyMeterTest, AddsPackagesAndLeavesTheirPartsOut) {
  for (const char* domain : {"intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0", "dtpm"}) write(domain, 1'000'000);
  auto meter = EnergyMeter::open(folder_.string());
  ASSERT_TRUE(meter) << meter.error().message;
  write("intel-rapl:0", 3'500'000);
  write("intel-rapl:1", 1'250'000);
  write("intel-rapl:0:0", 3'000'000);
  EXPECT_DOUBLE_EQ(meter->lap().value(), 2.75);
  EXPECT_DOUBLE_EQ(meter->lap().value(), 0.0);
}

TEST_F(EnergyMeterTest, UnderstandsACounterThatWrapped) {
  write("intel-rapl:0", 8'000'000);
  auto meter = EnergyMeter::open(folder_.string());
  ASSERT_TRUE(meter) << meter.error().message;
  write("intel-rapl:0", 500'000);
  EXPECT_DOUBLE_EQ(meter->lap().value(), 1.5);
}

TEST_F(EnergyMeterTest, SaysWhyThereIsNone) {
  const auto empty = EnergyMeter::open(folder_.string());
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(empty.error().message, HasSubstr("RAPL"));

  const auto missing = EnergyMeter::open((folder_ / "nowhere").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kUnsupported);

  write("intel-rapl:0", 1);
  std::filesystem::remove(folder_ / "intel-rapl:0" / "energy_uj");
  const auto unreadable = EnergyMeter::open(folder_.string());
  ASSERT_FALSE(unreadable);
  EXPECT_EQ(unreadable.error().code, ErrorCode::kIo);
  EXPECT_THAT(unreadable.error().message, HasSubstr("intel-rapl:0/energy_uj"));
}

}  // namespace
}  // namespace bitmar
