#include "io/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::TemporaryFolder;
using testing::to_bytes;

TEST(MappedFile, ShowsTheContentsAndOutlivesAMove) {
  const TemporaryFolder folder;
  testing::write_file(folder.file("a"), "contents");
  auto opened = MappedFile::open(folder.file("a"));
  ASSERT_TRUE(opened) << opened.error().message;
  const MappedFile moved = std::move(*opened);
  EXPECT_TRUE(std::ranges::equal(moved.bytes(), to_bytes("contents")));
  EXPECT_EQ(moved.path(), folder.file("a"));
}

TEST(MappedFile, AcceptsAnEmptyFile) {
  const TemporaryFolder folder;
  testing::write_file(folder.file("empty"), "");
  const auto opened = MappedFile::open(folder.file("empty"));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->bytes().empty());
}

#ifdef __wasi__
constexpr bool kMapsFiles = false;  // its mmap is a copy
#else
constexpr bool kMapsFiles = true;
#endif

// Bytes of files that this process has in memory; 0 where the system does not tell.
std::size_t resident_file_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> statm(std::fopen("/proc/self/statm", "r"), &std::fclose);
  std::size_t shared = 0;
  if (statm == nullptr || std::fscanf(statm.get(), "%*u %*u %zu", &shared) != 1) return 0;
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
  if (!kMapsFiles) GTEST_SKIP() << "this system reads files into memory";
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

TEST(MappedFile, NamesWhatCannotBeOpened) {
  const TemporaryFolder folder;
  const auto missing = MappedFile::open(folder.file("missing"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message, folder.file("missing") + ": cannot open: No such file or directory");

  const auto directory = MappedFile::open(folder.path());
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, ErrorCode::kIo);
}

#ifndef __wasi__  // has none
TEST(MappedFile, RefusesAFifo) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
  const auto fifo = MappedFile::open(folder.file("fifo"));  // would wait for a writer for ever
  ASSERT_FALSE(fifo);
  EXPECT_EQ(fifo.error().code, ErrorCode::kIo);
}
#endif

}  // namespace
}  // namespace bitmar
