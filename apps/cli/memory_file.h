// Where the tool keeps a user's memory: one snapshot file for each model.
//
//   BITMAR_TRY(const MemoryFile file, MemoryFile::of(engine, options.memory));
//   BITMAR_TRY(const FileLock lock, file.lock());          // until the new state is saved
//   BITMAR_TRY(Memory memory, file.load_or_empty());
//   …
//   BITMAR_TRY_VOID(file.save(memory));
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "io/file_lock.h"
#include "runtime/memory_snapshot.h"

namespace bitmar::cli {

class MemoryFile {
 public:
  // The file at `given`. Empty or "default": at BITMAR_MEMORY, else <data folder>/bitmar/<model>-<hash>.memory, where
  // the data folder is XDG_DATA_HOME, else ~/.local/share.
  static Result<MemoryFile> of(std::shared_ptr<const Engine> engine, const std::string& given);

  [[nodiscard]] const std::string& path() const { return path_; }
  // What the file holds. One that is not there is the model's own memory, but an error where its path was given.
  [[nodiscard]] Result<Memory> load() const;
  // The same, but a path given for a file to come is no error.
  [[nodiscard]] Result<Memory> load_or_empty() const;
  // Keeps other writers out; creates the default's folder.
  [[nodiscard]] Result<FileLock> lock() const;
  [[nodiscard]] Result<void> save(const Memory& memory) const { return save_memory_snapshot(memory, path_); }

 private:
  MemoryFile(std::shared_ptr<const Engine> engine, std::string path, bool given)
      : engine_(std::move(engine)), path_(std::move(path)), given_(given) {}

  std::shared_ptr<const Engine> engine_;
  std::string path_;
  bool given_;
};

}  // namespace bitmar::cli
