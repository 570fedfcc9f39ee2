// Sampled vocabulary: on a CPU the head over 50,257 words costs more than the rest of the model. A caption corpus uses
// a few thousand of them, so a step normalises over these, the step's own targets, and a uniform sample of the rest.
//
// The partition sum is estimated without bias: Z = sum over the certain columns + (rest / sampled) * sum over the
// sampled ones, the factor as log(rest / sampled) added to their logits. The sample still pushes unused words down.
// Only training samples; evaluation always uses the full vocabulary.
//
//   VocabularySampler sampler(counts, 8192, 1024);
//   auto columns = sampler.draw(targets, random);
//   vocabulary_loss(x, head_rows(columns.rows), columns.targets, {.column_offsets = columns.log_weights});
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "torch_headers.h"

namespace bitmar {

struct SampledColumns {
  torch::Tensor rows;         // int64 [C], rows of the head, no duplicates
  torch::Tensor log_weights;  // [C], 0 for certain columns
  torch::Tensor targets;      // int64, the shape of the targets, indices into rows
};

class VocabularySampler {
 public:
  // `counts` [vocabulary]: occurrences in the training corpus. The core is its tokens in order of frequency (ties by
  // id), at most `core_limit`; `negatives`: sampled columns a step, or so many more that all columns are a multiple of
  // `column_multiple` (products of few shapes).
  VocabularySampler(std::span<const std::uint64_t> counts, std::uint64_t core_limit, std::uint64_t negatives,
                    std::uint64_t column_multiple = 1);

  // targets: int64, on the CPU.
  [[nodiscard]] SampledColumns draw(const torch::Tensor& targets, Random& random) const;

  [[nodiscard]] std::uint64_t core_size() const { return core_.size(); }

 private:
  std::uint64_t vocabulary_;
  std::uint64_t negatives_;
  std::uint64_t column_multiple_;
  std::vector<std::int64_t> core_;
};

}  // namespace bitmar
