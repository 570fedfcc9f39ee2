// Chooses the next token from logits: greedy, or by chance. The distribution, in this order:
//  1. the repetition penalty changes the logits of recent tokens;
//  2. tokens stand by descending logit, equal ones by ascending id; top-k keeps the first k, min-p those whose
//     probability at this temperature is at least min_p times the first one's;
//  3. what is left is a softmax at this temperature, of which top-p keeps the fewest first tokens that together reach
//  p.
// Seeded: the same logits and seed give the same tokens. Nothing is sorted but the tokens that top-k or min-p leave.
//
//   Sampler sampler({.temperature = 0.8f, .top_p = 0.95f, .seed = 7}, vocabulary);
//   const TokenId next = sampler.sample(kernels, logits);
//   sampler.accept(next);                                   // enters the penalty's window
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "kernels/kernels.h"
#include "runtime/block_maxima.h"
#include "runtime/nucleus_draw.h"
#include "text/tokenizer.h"

namespace bitmar {

struct SamplerOptions {
  float temperature = 0.0f;         // 0: greedy
  std::uint32_t top_k = 40;         // 0: off
  float top_p = 0.95f;              // 1: off
  float min_p = 0.05f;              // 0: off; keeps tokens of at least min_p times the largest probability
  float repetition_penalty = 1.0f;  // 1: off; divides positive and multiplies negative logits of recent tokens
  std::uint32_t repetition_window = 64;
  std::uint64_t seed = 0;

  // kOutOfRange names the option.
  [[nodiscard]] Result<void> validate() const;
};

class Sampler {
 public:
  // `options` must be valid. Takes all its memory now.
  Sampler(const SamplerOptions& options, std::size_t vocabulary);

  // logits: [vocabulary], finite. Greedy never computes an exponential; ties go to the lowest id.
  [[nodiscard]] TokenId sample(const Kernels& kernels, std::span<const float> logits);
  // Whether sample() is the token of the largest logit, whatever was accepted.
  [[nodiscard]] bool is_greedy() const { return options_.temperature == 0.0f && options_.repetition_penalty == 1.0f; }
  // Tells the sampler what was chosen, or given in the prompt.
  void accept(TokenId id);
  // Back to the seed, with an empty window.
  void reset();

 private:
  struct Candidate {
    TokenId id;
    float logit;
  };
  [[nodiscard]] std::span<const float> penalised(std::span<const float> logits);
  [[nodiscard]] float floor_of_top_k();
  void collect_candidates(std::span<const float> logits, float floor);
  [[nodiscard]] TokenId draw_candidate();

  SamplerOptions options_;
  Random random_;
  std::vector<TokenId> recent_;  // ring of the last repetition_window ids
  std::uint64_t accepted_ = 0;
  std::vector<float> adjusted_;  // [vocabulary], used with a penalty
  BlockMaxima blocks_;
  NucleusDraw nucleus_;
  std::vector<float> maxima_;
  std::vector<Candidate> candidates_;  // by descending logit, ties by ascending id, after collect_candidates
  std::vector<double> weights_;
};

}  // namespace bitmar
