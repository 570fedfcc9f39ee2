// The whole model recomputed plainly in double precision: no caches, every token attends to an explicit list of the
// tokens that sinks and window leave it. What the runtime is compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/reference_layers.h"

namespace bitmar::testing {

struct ReferenceInput {
  std::vector<std::uint32_t> tokens;
  Rows features;       // [N, F]; empty: no image
  bool memory = true;  // false: switched off
};

struct ReferenceOutput {
  Rows states;             // Z [T, d], the text encoder's output
  Rows logits;             // [T, V]
  Row mean_query;          // q-bar
  Rows memory_attention;   // a_t [T, K]; empty where the memory is off
  double closest_tie = 0;  // see ReferenceLayers
};

[[nodiscard]] ReferenceOutput run_reference(const std::vector<std::byte>& model_file, const ReferenceInput& input);

}  // namespace bitmar::testing
