// The predictions of a task, <folder>/<task>.jsonl: one JSON object an item, in the items' order. While a run is going
// on they stand in <task>.jsonl.partial, line by line, and a run that was interrupted goes on there; the finished file
// appears under its name at once. <task>.run.json beside it says which model, files and options they belong to.
// eval/tasks/kept_items.h is how tasks use it.
//
//   BITMAR_TRY(PredictionFile file, PredictionFile::open(folder, binding, items, take_over));
//   for (…) BITMAR_TRY_VOID(file.append(line));      // of the items that take_over did not accept
//   BITMAR_TRY_VOID(file.finish());
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "eval/tasks/prediction_binding.h"
#include "io/file_descriptor.h"
#include "io/file_lock.h"

namespace bitmar {

class PredictionFile {
 public:
  // Takes over what an item's line says. False: the line is not this item's, and the file ends before it.
  using TakeOver = std::function<bool(std::size_t item, const nlohmann::ordered_json& line)>;

  // Creates the folder where it is missing, and takes over the lines that an earlier run has left. kInvalidArgument:
  // predictions of another model, other files or options are there; the message says what differs. kInvalidFile: a
  // finished file whose lines are not those of the `items` items.
  static Result<PredictionFile> open(const std::string& folder, const PredictionBinding& binding, std::size_t items,
                                     const TakeOver& take_over);

  // Adds lines, each with its line feed, of the items that follow.
  Result<void> append(std::string_view lines);
  // All items are there: the file gets its name.
  Result<void> finish();

 private:
  PredictionFile(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  Result<void> resume(const std::string& path, std::size_t items, const TakeOver& take_over);

  std::string path_;
  FileLock lock_;
  FileDescriptor file_;  // of the partial file
  std::uint64_t size_ = 0;
  std::size_t taken_over_ = 0;  // lines
  bool complete_ = false;
};

}  // namespace bitmar
