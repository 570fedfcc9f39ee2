// The work that a benchmark times: prompts and generation settings.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/engine.h"
#include "runtime/generator.h"

namespace bitmar {

inline constexpr std::size_t kCaptionBeam = 4;

// <|endoftext|>, then pseudo-random tokens; `count` in all.
[[nodiscard]] std::vector<TokenId> prompt_tokens(const Engine& engine, std::size_t count);

// Exactly `tokens` tokens: the end of a text does not stop them.
[[nodiscard]] GenerateOptions greedy_options(std::size_t tokens);
// Temperature 0.8 and top-p 0.95 over the whole vocabulary.
[[nodiscard]] GenerateOptions sampling_options(std::size_t tokens);

}  // namespace bitmar
