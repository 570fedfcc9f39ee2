// The loss of a model on running text, block by block, and the perplexities that blocks make. Sums are in FP64.
//
//   const TextWindow window{.window = 1024, .stride = 512};
//   BITMAR_TRY(const auto losses, window_losses(context, blocks_of(tokens, window.stride, 0), window, sink));
//   const double perplexity = std::exp(total(losses).nats / total(losses).tokens);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/parallel/measure_in_order.h"
#include "eval/tasks/task.h"
#include "runtime/session.h"

namespace bitmar {

// What one block of text, or several together, cost the model.
struct TextLoss {
  double nats = 0;  // negative log-probability, summed over the tokens
  double tokens = 0;
  double words = 0;  // that begin in the block: runs of bytes other than white space
  double bytes = 0;

  TextLoss& operator+=(const TextLoss& other);
};
[[nodiscard]] TextLoss total(std::span<const TextLoss> blocks);
// kUnsupported: the engine's logits are not finite.
[[nodiscard]] Result<void> check_finite(const TextLoss& loss, const Engine& engine);

// `count` tokens of a text from `begin` on.
struct TextBlock {
  std::span<const TokenId> text;
  std::size_t begin = 0;
  std::size_t count = 0;
};
// The text's whole blocks of so many tokens; what is left at its end counts nowhere. limit: the first blocks alone; 0:
// all.
[[nodiscard]] std::vector<TextBlock> blocks_of(std::span<const TokenId> text, std::size_t tokens, std::uint64_t limit);

// How the blocks of a text are read: each of `stride` tokens, after the window - stride tokens before it (the first
// after <|endoftext|> alone), in a context of its own. stride <= window; the cache of a session holds the window.
struct TextWindow {
  std::size_t window = 0;
  std::size_t stride = 0;
};

// One entry a block, each of window.stride tokens. Blocks are spread over context.threads.
[[nodiscard]] Result<std::vector<TextLoss>> window_losses(const TaskContext& context, std::span<const TextBlock> blocks,
                                                          const TextWindow& window, const ValueSink<TextLoss>& sink);

// A block of a stream, and how much more memory the session held after it than at the stream's start.
struct StreamLoss {
  TextLoss loss;
  std::int64_t session_growth = 0;  // bytes; whatever the number of threads
};

// How a stream is read: an episode ends after every `episode` tokens.
struct StreamPlan {
  std::size_t block = 0;
  std::size_t episode = 0;
};

// All of the text in one stream, after <|endoftext|>: every token sees the sinks and the window that the session's
// cache has kept. Where the session may write, the episodes are written to the memory. One entry a whole block from
// `first` on; the blocks before it are read and not scored, which takes less time.
[[nodiscard]] Result<std::vector<StreamLoss>> stream_losses(Session& session, std::span<const TokenId> tokens,
                                                            const StreamPlan& plan, std::size_t first,
                                                            const ValueSink<StreamLoss>& sink);

// Words and bytes of tokens that stand after `before` (which may be empty); nats are 0.
[[nodiscard]] TextLoss count_text(const Tokenizer& tokenizer, std::span<const TokenId> tokens, std::string_view before);

}  // namespace bitmar
