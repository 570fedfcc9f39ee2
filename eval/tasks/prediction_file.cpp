#include "eval/tasks/prediction_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace fs = std::filesystem;

Result<PredictionFile> PredictionFile::open(const std::string& folder, const PredictionBinding& binding,
                                            std::size_t items, const TakeOver& take_over) {
  std::error_code status;
  fs::create_directories(folder, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot create it: {}", folder, status.message());
  const std::string path = (fs::path(folder) / (binding.task + ".jsonl")).string();
  const std::string partial = path + ".partial";
  BITMAR_TRY(FileLock lock, FileLock::acquire(path));
  PredictionFile file(path, std::move(lock));

  file.complete_ = fs::exists(path, status);
  const bool interrupted = !file.complete_ && fs::exists(partial, status);
  if (file.complete_ || interrupted) {
    BITMAR_TRY_VOID(check_binding(folder, binding));
    BITMAR_TRY_VOID(file.resume(file.complete_ ? path : partial, items, take_over));
  } else {
    BITMAR_TRY_VOID(write_binding(folder, binding));
  }
  if (file.complete_) {
    if (file.taken_over_ == items) return file;
    return fail(ErrorCode::kInvalidFile,
                "{}: line {} of {} is missing or not the prediction of its item; delete the file to start anew", path,
                file.taken_over_ + 1, items);
  }
  file.file_ = FileDescriptor(::open(partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  if (!file.file_) return fail_io(partial, "open it", errno);
  // What an interruption left of its last line goes.
  if (::ftruncate(file.file_.get(), static_cast<off_t>(file.size_)) != 0) return fail_io(partial, "cut it", errno);
  return file;
}

Result<void> PredictionFile::resume(const std::string& path, std::size_t items, const TakeOver& take_over) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text = as_text(file.bytes());
  while (taken_over_ < items) {
    const auto begin = static_cast<std::size_t>(size_);
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    const auto line = nlohmann::ordered_json::parse(text.substr(begin, end - begin), nullptr, false);
    if (!line.is_object() || !take_over(taken_over_, line)) break;
    ++taken_over_;
    size_ = end + 1;
  }
  return {};
}

Result<void> PredictionFile::append(std::string_view lines) {
  BITMAR_TRY_VOID(write_at(file_, path_ + ".partial", std::as_bytes(std::span(lines)), size_));
  size_ += lines.size();
  return {};
}

Result<void> PredictionFile::finish() {
  if (complete_) return {};
  const std::string partial = path_ + ".partial";
  if (::fsync(file_.get()) != 0) return fail_io(partial, "flush it to the disk", errno);
  if (::rename(partial.c_str(), path_.c_str()) != 0) return fail_io(path_, "rename the finished file to it", errno);
  complete_ = true;
  return sync_folder_of(path_);
}

}  // namespace bitmar
