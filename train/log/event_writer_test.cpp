#include "log/event_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "log/crc32c.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;

class EventWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "bitmar_event_writer" /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  EventWriter open(std::optional<std::uint64_t> resume) const {
    auto writer = EventWriter::open(folder_.string(), resume);
    EXPECT_TRUE(writer) << writer.error().message;
    return *std::move(writer);
  }
  std::string contents() const {
    std::string all;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  // The steps of all records but the version's, by walking the frames.
  std::vector<std::uint64_t> steps() const {
    const std::string bytes = contents();
    std::vector<std::uint64_t> found;
    for (std::size_t at = 0; at < bytes.size();) {
      std::uint64_t length = 0;
      std::memcpy(&length, bytes.data() + at, 8);
      found.push_back(protobuf::find_number(std::string_view(bytes).substr(at + 12, length), 2).value());
      at += 16 + length;
    }
    found.erase(found.begin());
    return found;
  }
  fs::path folder_;
};

TEST(Crc32c, KnownValues) {
  // RFC 3720, section B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST_F(EventWriterTest, ResumingCutsLaterAndTornRecords) {
  {
    EventWriter writer = open(std::nullopt);
    for (const std::uint64_t step : {10u, 20u, 30u}) ASSERT_TRUE(writer.scalar("loss", 1.0, step));
    ASSERT_TRUE(writer.flush());
  }
  EXPECT_EQ(steps(), (std::vector<std::uint64_t>{10, 20, 30}));
  const std::string path = fs::directory_iterator(folder_)->path().string();
  fs::resize_file(path, fs::file_size(path) - 3);  // the record of step 30 is torn
  {
    EventWriter writer = open(30);
    EXPECT_EQ(writer.path(), path);
  }
  EXPECT_EQ(steps(), (std::vector<std::uint64_t>{10, 20}));
  {
    EventWriter writer = open(10);
    ASSERT_TRUE(writer.scalar("loss", 2.0, 20));
  }
  EXPECT_EQ(steps(), (std::vector<std::uint64_t>{10, 20}));
}

TEST_F(EventWriterTest, DamagedRecordsEndTheKeptPart) {
  {
    EventWriter writer = open(std::nullopt);
    for (const std::uint64_t step : {1u, 2u, 3u}) ASSERT_TRUE(writer.scalar("loss", 1.0, step));
  }
  const std::string path = fs::directory_iterator(folder_)->path().string();
  std::string bytes = contents();
  bytes[bytes.size() - 60] ^= 1;  // inside the record of step 2
  std::ofstream(path, std::ios::binary) << bytes;
  { open(3); }
  EXPECT_EQ(steps(), (std::vector<std::uint64_t>{1}));
}

TEST_F(EventWriterTest, AFreshRunReplacesAnOlderOnesFiles) {
  { ASSERT_TRUE(open(std::nullopt).scalar("loss", 1.0, 5)); }
  std::ofstream(folder_ / "notes.txt") << "mine";
  { open(std::nullopt); }
  fs::remove(folder_ / "notes.txt");
  EXPECT_TRUE(steps().empty());
}

TEST_F(EventWriterTest, ImagesOfAnotherSizeAreRefused) {
  EventWriter writer = open(std::nullopt);
  const std::vector<std::uint8_t> pixels(12);
  EXPECT_TRUE(writer.image("a", pixels, 2, 2, 3, 0));
  EXPECT_TRUE(writer.image("a", pixels, 3, 4, 1, 0));
  EXPECT_FALSE(writer.image("a", pixels, 3, 2, 3, 0));
  EXPECT_FALSE(writer.image("a", pixels, 3, 2, 2, 0));
}

TEST(Protobuf, FindsNumbersAndRefusesMalformedMessages) {
  const protobuf::Message message = protobuf::Message().real(1, 2.5).bytes(3, "xyz").number(2, 300).single(4, 1.0f);
  EXPECT_EQ(protobuf::find_number(message.text(), 2), 300u);
  EXPECT_EQ(protobuf::find_number(message.text(), 9), 0u);
  for (std::size_t cut : {1u, 8u, 10u, 12u, 15u}) {
    EXPECT_EQ(protobuf::find_number(std::string_view(message.text()).substr(0, cut), 2), std::nullopt) << cut;
  }
  EXPECT_EQ(protobuf::find_number("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 2), std::nullopt);
}

}  // namespace
}  // namespace bitmar
