// Which of a step's batches a process computes, where several train together.
//
// A step consists of `accumulation` whole batches whose gradients are averaged; the processes divide these among
// themselves. Within a batch nothing is divided: its loss is a mean over its own tokens, its contrastive negatives and
// its memory are its own. So the step is the same computation on any number of processes.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace bitmar {

struct StepShare {
  std::uint32_t rank = 0;
  std::uint32_t size = 1;
  std::uint32_t accumulation = 1;

  // `batch`: its number since any step's first batch.
  [[nodiscard]] bool owns(std::uint64_t batch) const { return batch % accumulation % size == rank; }

  // kInvalidArgument where a process would have no batch.
  [[nodiscard]] static Result<StepShare> of(std::uint32_t rank, std::uint32_t size, std::uint32_t accumulation) {
    if (accumulation < size) {
      return fail(ErrorCode::kInvalidArgument,
                  "train.accumulation is {}, but {} processes train together: each takes whole batches of a step, so "
                  "that it must be at least {} (and rows a batch the fewer, for the same step)",
                  accumulation, size, size);
    }
    return StepShare{rank, size, accumulation};
  }
};

}  // namespace bitmar
