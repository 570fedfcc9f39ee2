// The predictions of a task, <folder>/<task>.jsonl: one line an item, in the items' order. While a run is going on they
// stand in <task>.jsonl.partial, line by line, and a run that was interrupted goes on there; the finished file appears
// under its name at once. <task>.run.json beside it says which model, files and options they belong to.
//
//   BITMAR_TRY(PredictionFile file, PredictionFile::open(folder, binding, items));
//   for (i = file.finished().size(); …) BITMAR_TRY_VOID(file.append(i, scores));
//   BITMAR_TRY_VOID(file.finish());
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/scoring/continuation_scorer.h"
#include "eval/tasks/choice_set.h"
#include "eval/tasks/prediction_binding.h"
#include "io/file_descriptor.h"
#include "io/file_lock.h"

namespace bitmar {

class PredictionFile {
 public:
  // Creates the folder where it is missing. kInvalidArgument: predictions of another model, other files or options are
  // there; the message says what differs. The items outlive this.
  static Result<PredictionFile> open(const std::string& folder, const PredictionBinding& binding,
                                     std::span<const ChoiceItem> items);

  // The scores of the first items, which an earlier run has left.
  [[nodiscard]] const std::vector<std::vector<ContinuationScore>>& finished() const { return finished_; }
  // Adds the lines of the items from finished().size() + those appended so far.
  Result<void> append(std::span<const std::vector<ContinuationScore>> scores);
  // All items are there: the file gets its name.
  Result<void> finish();

 private:
  PredictionFile(std::string path, std::span<const ChoiceItem> items, FileLock lock)
      : path_(std::move(path)), items_(items), lock_(std::move(lock)) {}
  Result<void> resume(const std::string& path);

  std::string path_;
  std::span<const ChoiceItem> items_;
  FileLock lock_;
  FileDescriptor file_;  // of the partial file
  std::uint64_t size_ = 0;
  std::size_t appended_ = 0;
  bool complete_ = false;
  std::vector<std::vector<ContinuationScore>> finished_;
};

}  // namespace bitmar
