#include "io/file_lock.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "io/atomic_file.h"
#include "io/test_support.h"

namespace bitmar {
namespace {

using testing::TemporaryFolder;

TEST(FileLock, LosesNoUpdateAndLeavesNothing) {
  // flock() belongs to the open file, so threads exclude each other as processes do.
  constexpr int kThreads = 4;
  constexpr int kRounds = 50;
  const TemporaryFolder folder;
  const std::string path = folder.file("counter");
  testing::write_file(path, "0");
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        for (int round = 0; round < kRounds; ++round) {
          const auto lock = FileLock::acquire(path);
          ASSERT_TRUE(lock) << lock.error().message;
          int count = 0;
          std::ifstream(path) >> count;
          auto file = AtomicFile::create(path);
          ASSERT_TRUE(file && file->write(testing::to_bytes(std::to_string(count + 1))) && file->commit());
        }
      });
    }
  }
  int count = 0;
  std::ifstream(path) >> count;
  EXPECT_EQ(count, kThreads * kRounds);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(FileLock, NamesWhatItCannotCreate) {
  const TemporaryFolder folder;
  const auto lock = FileLock::acquire(folder.file("missing/memory"));
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code, ErrorCode::kIo);
  EXPECT_TRUE(lock.error().message.starts_with(folder.file("missing/memory.lock: cannot create")))
      << lock.error().message;
}

}  // namespace
}  // namespace bitmar
