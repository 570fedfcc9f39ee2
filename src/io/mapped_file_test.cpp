#include "io/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
