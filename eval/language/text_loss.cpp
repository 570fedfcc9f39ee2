#include "eval/language/text_loss.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "runtime/token_score.h"

namespace bitmar {
namespace {

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// With nothing scored yet.
TextLoss count_block(const Tokenizer& tokenizer, const TextBlock& block) {
  const std::string_view before = block.begin == 0 ? std::string_view() : tokenizer.bytes(block.text[block.begin - 1]);
  return count_text(tokenizer, block.text.subspan(block.begin, block.count), before);
}

Result<TextLoss> read_block(Session& session, const TextBlock& block, const TextWindow& window) {
  const Tokenizer& tokenizer = session.engine().tokenizer();
  const std::size_t context = std::min(block.begin, window.window - window.stride);
  session.reset();
  std::vector<TokenId> tokens;
  if (context == 0) tokens.push_back(tokenizer.end_of_text());
  const std::size_t unscored = std::max<std::size_t>(context, 1);
  const auto seen = block.text.subspan(block.begin - context, context + block.count);
  tokens.insert(tokens.end(), seen.begin(), seen.end());
  BITMAR_TRY(const auto scores, score_tokens(session, tokens, unscored));
  TextLoss loss = count_block(tokenizer, block);
  for (const TokenScore& score : scores) loss.nats -= score.log_probability;
  BITMAR_TRY_VOID(check_finite(loss, session.engine()));
  return loss;
}

}  // namespace

TextLoss& TextLoss::operator+=(const TextLoss& other) {
  nats += other.nats;
  tokens += other.tokens;
  words += other.words;
  bytes += other.bytes;
  return *this;
}

TextLoss total(std::span<const TextLoss> blocks) {
  TextLoss sum;
  for (const TextLoss& block : blocks) sum += block;
  return sum;
}

Result<void> check_finite(const TextLoss& loss, const Engine& engine) {
  if (std::isfinite(loss.nats)) return {};
  return fail(ErrorCode::kUnsupported, "{}: its logits are not finite", engine.name());
}

TextLoss count_text(const Tokenizer& tokenizer, std::span<const TokenId> tokens, std::string_view before) {
  TextLoss count;
  count.tokens = static_cast<double>(tokens.size());
  bool blank = before.empty() || is_blank(before.back());
  for (const TokenId token : tokens) {
    const std::string_view bytes = tokenizer.bytes(token);
    count.bytes += static_cast<double>(bytes.size());
    for (const char byte : bytes) {
      count.words += blank && !is_blank(byte);
      blank = is_blank(byte);
    }
  }
  return count;
}

std::vector<TextBlock> blocks_of(std::span<const TokenId> text, std::size_t tokens, std::uint64_t limit) {
  assert(tokens > 0);
  std::vector<TextBlock> blocks;
  for (std::size_t begin = 0; begin + tokens <= text.size() && (limit == 0 || blocks.size() < limit); begin += tokens) {
    blocks.push_back({text, begin, tokens});
  }
  return blocks;
}

Result<std::vector<TextLoss>> window_losses(const TaskContext& context, std::span<const TextBlock> blocks,
                                            const TextWindow& window, const ValueSink<TextLoss>& sink) {
  assert(window.stride <= window.window);
  std::vector<Session> sessions;
  while (sessions.size() < worker_count(context.threads, blocks.size())) {
    BITMAR_TRY(Session session,
               Session::open(context.engine, {.memory = context.memory ? MemoryMode::kReadOnly : MemoryMode::kOff}));
    sessions.push_back(std::move(session));
  }
  const auto work = [&](Session& session, std::size_t block, std::size_t) -> Result<std::vector<TextLoss>> {
    assert(blocks[block].count == window.stride);
    BITMAR_TRY(const TextLoss loss, read_block(session, blocks[block], window));
    return std::vector{loss};
  };
  return measure_in_order<TextLoss>(std::span(sessions), blocks.size(), 1, work, sink);
}

Result<std::vector<StreamLoss>> stream_losses(Session& session, std::span<const TokenId> tokens, const StreamPlan& plan,
                                              std::size_t first, const ValueSink<StreamLoss>& sink) {
  assert(plan.episode > 0);
  const Tokenizer& tokenizer = session.engine().tokenizer();
  const bool writes = session.options().memory == MemoryMode::kReadWrite && session.engine().memory() != nullptr;
  const TokenId start = tokenizer.end_of_text();
  session.reset();
  // What scoring allocates is there when the stream starts.
  BITMAR_TRY_VOID(session.score({&start, 1}, [](std::size_t, std::span<const float>) {}));
  static_cast<void>(session.logits());
  const std::size_t bytes_at_start = session.memory_bytes();
  std::size_t of_episode = 0;
  // Passes the block to read(tokens) -> Result<void> in pieces, none of which goes beyond an episode's end.
  const auto read_pieces = [&](const TextBlock& block, const auto& read) -> Result<void> {
    for (std::size_t done = 0; done < block.count;) {
      const std::size_t count = std::min(block.count - done, plan.episode - of_episode);
      BITMAR_TRY_VOID(read(tokens.subspan(block.begin + done, count)));
      done += count;
      of_episode += count;
      if (of_episode < plan.episode) continue;
      of_episode = 0;
      if (writes) {
        BITMAR_TRY(const std::uint64_t id, session.write_episode({}));
        static_cast<void>(id);
      } else {
        session.end_episode();
      }
    }
    return {};
  };

  std::vector<StreamLoss> losses;
  const std::vector<TextBlock> blocks = blocks_of(tokens, plan.block, 0);
  if (first >= blocks.size()) return losses;
  for (const TextBlock& block : std::span(blocks).first(first)) {
    BITMAR_TRY_VOID(read_pieces(block, [&](std::span<const TokenId> piece) { return session.read(piece); }));
  }
  for (const TextBlock& block : std::span(blocks).subspan(first)) {
    StreamLoss& next = losses.emplace_back(count_block(tokenizer, block));
    BITMAR_TRY_VOID(read_pieces(block, [&](std::span<const TokenId> piece) -> Result<void> {
      BITMAR_TRY(const auto scores, score_tokens(session, piece, 0));
      for (const TokenScore& score : scores) next.loss.nats -= score.log_probability;
      return {};
    }));
    BITMAR_TRY_VOID(check_finite(next.loss, session.engine()));
    next.session_growth = static_cast<std::int64_t>(session.memory_bytes()) - static_cast<std::int64_t>(bytes_at_start);
    if (sink) BITMAR_TRY_VOID(sink({&next, 1}));
  }
  return losses;
}

}  // namespace bitmar
