#include "io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::TemporaryFolder;
using testing::to_bytes;

TEST(AtomicFile, ReplacesTheFileOnlyOnCommit) {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  testing::write_file(path, "old");
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(file->write(to_bytes("new ")));
  ASSERT_TRUE(file->write(to_bytes("contents")));
  EXPECT_EQ(testing::read_file(path), to_bytes("old"));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(testing::read_file(path), to_bytes("new contents"));
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit) {
  const TemporaryFolder folder;
  {
    auto file = AtomicFile::create(folder.file("model"));
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write(to_bytes("half")));
    EXPECT_EQ(folder.entries(), 1u);
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMeet) {
  const TemporaryFolder folder;
  auto first = AtomicFile::create(folder.file("model"));
  auto second = AtomicFile::create(folder.file("model"));
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(first->write(to_bytes("first")));
  ASSERT_TRUE(second->write(to_bytes("second")));
  ASSERT_TRUE(second->commit());
  ASSERT_TRUE(first->commit());
  EXPECT_EQ(testing::read_file(folder.file("model")), to_bytes("first"));
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, NamesTheFileThatCannotBeCreated) {
  const TemporaryFolder folder;
  const auto file = AtomicFile::create(folder.file("missing/model"));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kIo);
  EXPECT_NE(file.error().message.find("missing/model"), std::string::npos);
}

TEST(AtomicFile, RefusesToReplaceAFolder) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkdir(folder.file("model").c_str(), 0777), 0);
  auto file = AtomicFile::create(folder.file("model"));
  ASSERT_TRUE(file);
  const auto committed = file->commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace bitmar
