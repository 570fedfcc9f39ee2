// Draws from a softmax cut to its nucleus (top-p) without sorting the logits, and almost always without a sum over all
// of them: Holtzman et al. 2020, by rejection.
//
// A draw from the whole softmax that is thrown away where it falls outside the nucleus has the nucleus' distribution.
//  - Drawn is a block by an upper bound of its mass (its size times its largest weight, BlockMaxima), then one of its
//    elements evenly; that element is kept with the probability weight / largest weight. This gives the softmax
//    exactly, from one exponential a block and one for each try.
//  - Inside the nucleus is a token whose predecessors (by descending logit, then ascending id) have less than top_p of
//    the mass. Sums with an error of some per cent decide that for all but the tokens at its edge, and the first part
//    of them for most; only at the edge are they taken in double precision.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "runtime/block_maxima.h"
#include "runtime/exponential_sums.h"
#include "text/tokenizer.h"

namespace bitmar {

class NucleusDraw {
 public:
  // Takes all its memory now.
  explicit NucleusDraw(std::size_t vocabulary);

  // logits: [vocabulary], `blocks` is set to them. Tokens below `floor` have no part in the softmax; the largest logit
  // reaches it. temperature > 0, top_p in [0, 1]; the first token is always in the nucleus.
  [[nodiscard]] TokenId draw(const Kernels& kernels, std::span<const float> logits, const BlockMaxima& blocks,
                             float temperature, float floor, float top_p, Random& random);

 private:
  struct Row;
  void weigh_blocks(const Row& row, float floor);
  [[nodiscard]] std::size_t draw_block(Random& random) const;
  double bound_steps(const Row& row, std::size_t token);
  [[nodiscard]] static bool is_first(const Row& row, std::size_t token);
  [[nodiscard]] bool in_nucleus(const Row& row, std::size_t token);
  [[nodiscard]] bool in_nucleus_exactly(const Row& row, std::size_t token) const;

  std::vector<float> block_weights_;   // at least the weight of any element of the block; 0: cannot be drawn
  std::vector<double> chunk_weights_;  // sums of kLanes of them
  double total_weight_ = 0.0;
  std::vector<double> step_bounds_;  // of what the tokens before one can weigh in each step of in_nucleus
};

}  // namespace bitmar
