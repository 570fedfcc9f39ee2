// Mutual exclusion between processes that read, change and replace one file: an flock on `<path>.lock` beside it, since
// a rename would leave a lock on the file itself behind. The lock file is gone again after the last holder.
//
//   BITMAR_TRY(const FileLock lock, FileLock::acquire(path));   // waits
//   … read, change, AtomicFile::commit() …
#pragma once

#include <string>

#include "base/result.h"
#include "io/file_descriptor.h"

namespace bitmar {

class FileLock {
 public:
  // Waits until nobody else holds the lock of `path`. kIo: the lock file cannot be created.
  static Result<FileLock> acquire(const std::string& path);
  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) noexcept = delete;
  ~FileLock();

 private:
  FileLock(FileDescriptor file, std::string lock_path) : file_(std::move(file)), lock_path_(std::move(lock_path)) {}

  FileDescriptor file_;
  std::string lock_path_;
};

}  // namespace bitmar
