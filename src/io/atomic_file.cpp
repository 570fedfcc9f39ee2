#include "io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "io/file_descriptor.h"

namespace bitmar {

struct AtomicFile::State {
  std::string path;
  std::string temporary;
  FileDescriptor file;
  std::uint64_t size = 0;

  ~State() {
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }
};

AtomicFile::AtomicFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;
AtomicFile& AtomicFile::operator=(AtomicFile&&) noexcept = default;
AtomicFile::~AtomicFile() = default;

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  constexpr int kAttempts = 1000;
  auto state = std::make_unique<State>();
  state->path = path;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string temporary = fmt::format("{}.{}-{}.tmp", path, ::getpid(), attempt);
    state->file = FileDescriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (state->file) {
      state->temporary = std::move(temporary);
      return AtomicFile(std::move(state));
    }
    if (errno != EEXIST) break;
  }
  return fail_io(path, "create a temporary file beside it", errno);
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  BITMAR_TRY_VOID(write_at(state_->file, state_->path, bytes, state_->size));
  state_->size += bytes.size();
  return {};
}

Result<void> AtomicFile::commit() {
  if (::fsync(state_->file.get()) != 0) return fail_io(state_->path, "flush it to the disk", errno);
  if (::rename(state_->temporary.c_str(), state_->path.c_str()) != 0) {
    return fail_io(state_->path, "rename the finished file to it", errno);
  }
  state_->temporary.clear();
  return sync_folder_of(state_->path);
}

Result<void> write_text_file(const std::string& path, std::string_view text) {
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

}  // namespace bitmar
