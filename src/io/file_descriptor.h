// An owned POSIX file descriptor, and the few loops and messages that every use of one needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bitmar {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  explicit operator bool() const { return descriptor_ >= 0; }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// The system's words for an errno value.
[[nodiscard]] std::string system_message(int error);

// kIo: "<path>: cannot <action>: <the system's words>".
[[nodiscard]] std::unexpected<Error> fail_io(const std::string& path, std::string_view action, int error);

// Writes all bytes at `offset`, however many calls that takes.
[[nodiscard]] Result<void> write_at(const FileDescriptor& file, const std::string& path,
                                    std::span<const std::byte> bytes, std::uint64_t offset);

// Makes a rename in the folder of `path` durable.
[[nodiscard]] Result<void> sync_folder_of(const std::string& path);

}  // namespace bitmar
