// The loss of a model on running text, block by block, and the perplexities that blocks make. Sums are in FP64.
//
//   BITMAR_TRY(const auto blocks, window_losses(context, tokens, {.window = 1024, .stride = 512}, progress));
//   const double perplexity = std::exp(total(blocks).nats / total(blocks).tokens);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/parallel/for_each_item.h"
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

// How the blocks of a text are read: each of `stride` tokens, after the window - stride tokens before it (the first
// after <|endoftext|> alone), in a context of its own. stride <= window; the cache of a session holds the window.
struct TextWindow {
  std::size_t window = 0;
  std::size_t stride = 0;
};

// One entry a whole block of the text; what is left at its end counts nowhere. `limit`: the first blocks alone; 0: all.
// Blocks are spread over context.threads.
[[nodiscard]] Result<std::vector<TextLoss>> window_losses(const TaskContext& context, std::span<const TokenId> tokens,
                                                          const TextWindow& window, const ItemProgress& progress);

// All of the text in one stream, after <|endoftext|>: every token sees the sinks and the window that the session's
// cache has kept. The episode ends after every `episode` tokens; where the session may write, it is written to the
// memory. One entry a whole block of `block` tokens.
[[nodiscard]] Result<std::vector<TextLoss>> stream_losses(Session& session, std::span<const TokenId> tokens,
                                                          std::size_t block, std::size_t episode,
                                                          const ItemProgress& progress);

// Words and bytes of tokens that stand after `before` (which may be empty); nats are 0.
[[nodiscard]] TextLoss count_text(const Tokenizer& tokenizer, std::span<const TokenId> tokens, std::string_view before);

}  // namespace bitmar
