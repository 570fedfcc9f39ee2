#include "io/file_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bitmar {

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string system_message(int error) {
  return std::generic_category().message(error);
}

std::unexpected<Error> fail_io(const std::string& path, std::string_view action, int error) {
  return fail(ErrorCode::kIo, "{}: cannot {}: {}", path, action, system_message(error));
}

Result<void> write_at(const FileDescriptor& file, const std::string& path, std::span<const std::byte> bytes,
                      std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto written = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_io(path, "write", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Result<void> sync_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const FileDescriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return fail_io(folder, "open the folder", errno);
  // Some file systems cannot sync a folder and say so; the rename itself has happened.
  if (::fsync(file.get()) != 0 && errno != EINVAL) return fail_io(folder, "sync the folder", errno);
  return {};
}

}  // namespace bitmar
