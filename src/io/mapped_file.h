// A read-only memory-mapped file.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace bitmar {

class MappedFile {
 public:
  // Errors: kNotFound where the file is not there, kIo where it cannot be mapped or is no regular file.
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Gives back the physical memory under `part` of bytes(), which may be read again: its pages then come from the file
  // once more.
  void release(std::span<const std::byte> part) const;

 private:
  MappedFile() = default;
  std::span<const std::byte> bytes_;
  std::string path_;
};

}  // namespace bitmar
