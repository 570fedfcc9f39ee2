// Text from a session, token by token, as it is made.
//
//   BITMAR_TRY(const Generation result, generate(session, "Once upon a time", {.maximum_tokens = 64},
//                                                [](std::string_view piece) { fmt::print("{}", piece); return true;
//                                                }));
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/sampler.h"
#include "runtime/session.h"

namespace bitmar {

struct GenerateOptions {
  SamplerOptions sampler;
  std::size_t maximum_tokens = 128;
  bool stop_at_end = true;  // at <|endoftext|>; otherwise it is one more token
  // kOutOfRange names the option.
  [[nodiscard]] Result<void> validate() const;
};

enum class StopReason { kEndOfText, kMaximumTokens, kCallback };

struct Generation {
  std::vector<TokenId> ids;  // without the <|endoftext|> that stopped it
  std::string text;
  StopReason reason = StopReason::kMaximumTokens;
  std::size_t prompt_tokens = 0;  // read before, the opening <|endoftext|> included
  double prompt_seconds = 0;
  double generation_seconds = 0;
};

// Called with each piece of valid UTF-8; returning false stops. May be empty.
using TextCallback = std::function<bool(std::string_view piece)>;

// Reads the prompt after what the session holds (a new context is opened with <|endoftext|>, as in training), then
// generates. All generated tokens have been read by the session afterwards, but for the <|endoftext|> that stopped it.
// An empty prompt is allowed.
Result<Generation> generate(Session& session, std::span<const TokenId> prompt, const GenerateOptions& options,
                            const TextCallback& callback = {});
Result<Generation> generate(Session& session, std::string_view prompt, const GenerateOptions& options,
                            const TextCallback& callback = {});

}  // namespace bitmar
