#include "runtime/generator.h"

#include <chrono>

namespace bitmar {
namespace {

using Clock = std::chrono::steady_clock;

// Their ids take 64 MiB, which are reserved at the start.
constexpr std::size_t kMaximumTokens = std::size_t{1} << 24;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Result<void> GenerateOptions::validate() const {
  if (maximum_tokens > kMaximumTokens) {
    return fail(ErrorCode::kOutOfRange, "maximum tokens is {}; expected at most {}", maximum_tokens, kMaximumTokens);
  }
  return sampler.validate();
}

Result<Generation> generate(Session& session, std::span<const TokenId> prompt, const GenerateOptions& options,
                            const TextCallback& callback) {
  BITMAR_TRY_VOID(options.validate());
  const Tokenizer& tokenizer = session.engine().tokenizer();
  const TokenId end = tokenizer.end_of_text();
  Generation result;

  std::vector<TokenId> tokens;
  if (session.position() == 0) tokens.push_back(end);
  tokens.insert(tokens.end(), prompt.begin(), prompt.end());
  const auto start = Clock::now();
  if (!tokens.empty()) {
    BITMAR_TRY_VOID(session.read(tokens));
  }
  result.prompt_tokens = tokens.size();
  result.prompt_seconds = seconds_since(start);

  Sampler sampler(options.sampler, session.engine().config().vocabulary);
  for (const TokenId token : prompt) sampler.accept(token);
  StreamingDecoder decoder(tokenizer);
  const auto emit = [&](std::string piece) {
    result.text += piece;
    return piece.empty() || !callback || callback(piece);
  };
  result.ids.reserve(options.maximum_tokens);
  const auto generation_start = Clock::now();
  while (result.ids.size() < options.maximum_tokens) {
    const TokenId token =
        sampler.is_greedy() ? session.most_likely() : sampler.sample(session.engine().kernels(), session.logits());
    if (token == end && options.stop_at_end) {
      result.reason = StopReason::kEndOfText;
      break;
    }
    result.ids.push_back(token);
    sampler.accept(token);
    BITMAR_TRY_VOID(session.read({&token, 1}));
    if (!emit(decoder.push(token))) {
      result.reason = StopReason::kCallback;
      break;
    }
  }
  emit(decoder.finish());
  result.generation_seconds = seconds_since(generation_start);
  return result;
}

Result<Generation> generate(Session& session, std::string_view prompt, const GenerateOptions& options,
                            const TextCallback& callback) {
  return generate(session, session.engine().tokenizer().encode(prompt), options, callback);
}

}  // namespace bitmar
