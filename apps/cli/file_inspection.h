// What `bitmar inspect` shows of a file.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace bitmar::cli {

struct TensorSummary {
  std::string name;
  std::string type;                  // as stored, or "ternary"
  std::vector<std::uint64_t> shape;  // logical
  std::uint64_t bytes = 0;           // in the file, scales included
  double zeros = -1;                 // the share of zeros of a (latent) ternary matrix, else -1
};

struct FileSummary {
  // "BitMar model", "vision tower", "memory snapshot", "checkpoint", "GGUF", "safetensors", "NumPy array"
  std::string kind;
  nlohmann::ordered_json metadata;  // configuration or header, long arrays left out
  std::vector<TensorSummary> tensors;
  std::uint64_t parameters = 0;    // learned, for models, towers, checkpoints and snapshots (0); else all elements
  std::uint64_t memory_state = 0;  // elements of the episodic memory, which are state and not parameters
  std::uint64_t weight_bytes = 0;  // of the parameters and the memory state, in the file
  std::uint64_t file_bytes = 0;
  std::uint64_t resident_bytes = 0;  // what the runtime holds once loaded; 0 where that is not known
};

// Tells the format by the first bytes. Every reader's checks apply.
[[nodiscard]] Result<FileSummary> inspect_file(const std::string& path);

}  // namespace bitmar::cli
