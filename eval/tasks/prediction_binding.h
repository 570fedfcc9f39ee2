// What the predictions that a run leaves depend on, <folder>/<task>.run.json beside them: a later run takes them over
// only where all of it is the same.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "eval/scoring/encoding.h"

namespace bitmar {

struct PredictionBinding {
  std::string task;
  std::string model;  // its file's SHA-256
  std::string files;  // hash_files()
  bool memory = true;
  std::uint64_t limit = 0;
  StartToken start = StartToken::kEmptyContext;
  std::string search = {};  // how captions are found; empty: no captions
  std::string images = {};  // "own", "none" or "shuffled", of tasks on images; empty: no task on images
};

[[nodiscard]] Result<void> write_binding(const std::string& folder, const PredictionBinding& binding);
// kInvalidArgument: predictions of another model, other files or options are there; the message says what differs.
[[nodiscard]] Result<void> check_binding(const std::string& folder, const PredictionBinding& binding);

}  // namespace bitmar
