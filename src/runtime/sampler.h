// Chooses the next token from logits: greedy, or temperature with repetition penalty, top-k, top-p and min-p, in that
// order of llama.cpp's defaults. Seeded: the same logits and seed give the same tokens.
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
  void select_candidates(std::span<const float> logits);

  SamplerOptions options_;
  Random random_;
  std::vector<TokenId> recent_;  // ring of the last repetition_window ids
  std::uint64_t accepted_ = 0;
  std::vector<float> adjusted_;        // [vocabulary], used with a penalty
  std::vector<Candidate> candidates_;  // by descending logit, ties by ascending id, after select_candidates
  std::vector<double> weights_;
};

}  // namespace bitmar
