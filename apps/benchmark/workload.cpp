#include "apps/benchmark/workload.h"

#include "base/random.h"

namespace bitmar {

std::vector<TokenId> prompt_tokens(const Engine& engine, std::size_t count) {
  Random random(1);
  std::vector<TokenId> tokens{engine.tokenizer().end_of_text()};
  while (tokens.size() < count) {
    tokens.push_back(static_cast<TokenId>(random.below(engine.config().vocabulary)));
  }
  return tokens;
}

GenerateOptions greedy_options(std::size_t tokens) {
  return {.sampler = {}, .maximum_tokens = tokens, .stop_at_end = false};
}

GenerateOptions sampling_options(std::size_t tokens) {
  return {.sampler = {.temperature = 0.8f, .top_k = 0, .top_p = 0.95f, .min_p = 0.0f},
          .maximum_tokens = tokens,
          .stop_at_end = false};
}

}  // namespace bitmar
