// That released pages leave memory: where mapping is more than reading.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "io/mapped_file.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::TemporaryFolder;
using testing::to_bytes;

// Bytes of files that this process has in memory.
std::size_t resident_file_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  std::size_t shared = 0;
  statm >> size >> resident >> shared;
  return shared * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(MappedFile, ReleasedBytesLeaveMemoryAndReadTheSameAgain) {
  const TemporaryFolder folder;
  std::string contents(std::size_t{4} << 20, '\0');
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>(i * 7 + i / 4096);
  testing::write_file(folder.file("a"), contents);
  const auto opened = MappedFile::open(folder.file("a"));
  ASSERT_TRUE(opened) << opened.error().message;
  const auto expected = to_bytes(contents);
  ASSERT_TRUE(std::ranges::equal(opened->bytes(), expected));
  const std::size_t touched = resident_file_bytes();
  opened->release(opened->bytes().subspan(1000, contents.size() - 2000));
  EXPECT_LT(resident_file_bytes() + contents.size() / 2, touched);
  EXPECT_TRUE(std::ranges::equal(opened->bytes(), expected));
  for (const std::size_t at : {std::size_t{0}, std::size_t{4095}, std::size_t{8192}, contents.size()}) {
    opened->release(opened->bytes().subspan(at, 0));
    opened->release(opened->bytes().subspan(at));
  }
  EXPECT_TRUE(std::ranges::equal(opened->bytes(), expected));
}

}  // namespace
}  // namespace bitmar
