// Writes a file so that a reader sees the old bytes or all of the new ones: a temporary name in the same folder,
// fsync, rename. Destroyed before commit(), it leaves nothing behind.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bitmar {

class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);
  // Flushes, fsyncs, renames over `path`, fsyncs the folder.
  Result<void> commit();

 private:
  struct State;
  explicit AtomicFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The whole file at once.
[[nodiscard]] Result<void> write_text_file(const std::string& path, std::string_view text);

}  // namespace bitmar
