#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "base/checked.h"
#include "io/file_descriptor.h"

namespace bitmar {

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Not blocking: a FIFO without a writer must be refused, not waited for.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    const int error = errno;
    const auto code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
    return fail(code, "{}: cannot open: {}", path, system_message(error));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_io(path, "read its size", errno);
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::kIo, "{}: expected a regular file", path);
  const auto size = checked_cast<std::size_t>(status.st_size);
  if (!size) return fail(ErrorCode::kIo, "{}: {} bytes do not fit the address space", path, status.st_size);

  MappedFile mapped;
  mapped.path_ = path;
  if (*size == 0) return mapped;
  void* const address = ::mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return fail_io(path, "map it into memory", errno);
  mapped.bytes_ = {static_cast<const std::byte*>(address), *size};
  return mapped;
}

void MappedFile::release(std::span<const std::byte> part) const {
  if (part.empty()) return;
  assert(part.data() >= bytes_.data() && part.data() + part.size() <= bytes_.data() + bytes_.size());
#if !defined(__wasi__)  // where the file was read into ordinary memory
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  // The mapping begins at a page, and whole pages are cheap to read again.
  const auto begin = static_cast<std::size_t>(part.data() - bytes_.data()) / page * page;
  const auto end = static_cast<std::size_t>(part.data() - bytes_.data()) + part.size();
  ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin,
            MADV_DONTNEED);  // advice: failing costs nothing
#endif
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})), path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace bitmar
