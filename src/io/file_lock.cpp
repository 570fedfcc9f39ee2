#include "io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace bitmar {
namespace {

// Whether the path still names this open file.
bool is_current(const FileDescriptor& file, const std::string& path) {
  struct stat held {};
  struct stat named {};
  return ::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::string& path) {
  std::string lock_path = path + ".lock";
  while (true) {
    FileDescriptor file(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file) return fail_io(lock_path, "create the lock file", errno);
    while (::flock(file.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return fail_io(lock_path, "lock it", errno);
    }
    // Its last holder may have removed it while we waited.
    if (is_current(file, lock_path)) return FileLock(std::move(file), std::move(lock_path));
  }
}

FileLock::~FileLock() {
  // Removed before it is unlocked: whoever waits for it sees that it is no longer current.
  if (file_) ::unlink(lock_path_.c_str());
}

}  // namespace bitmar
