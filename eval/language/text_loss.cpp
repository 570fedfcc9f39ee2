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

// tokens[begin, begin + count) of a text, with nothing scored yet.
TextLoss count_block(const Tokenizer& tokenizer, std::span<const TokenId> text, std::size_t begin, std::size_t count) {
  const std::string_view before = begin == 0 ? std::string_view() : tokenizer.bytes(text[begin - 1]);
  return count_text(tokenizer, text.subspan(begin, count), before);
}

Result<void> check_finite(const TextLoss& loss, const Engine& engine) {
  if (std::isfinite(loss.nats)) return {};
  return fail(ErrorCode::kUnsupported, "{}: its logits are not finite", engine.name());
}

Result<TextLoss> read_block(Session& session, std::span<const TokenId> text, std::size_t begin,
                            const TextWindow& window) {
  const Tokenizer& tokenizer = session.engine().tokenizer();
  const std::size_t context = std::min(begin, window.window - window.stride);
  session.reset();
  std::vector<TokenId> tokens;
  if (context == 0) tokens.push_back(tokenizer.end_of_text());
  const std::size_t unscored = std::max<std::size_t>(context, 1);
  const auto seen = text.subspan(begin - context, context + window.stride);
  tokens.insert(tokens.end(), seen.begin(), seen.end());
  BITMAR_TRY(const auto scores, score_tokens(session, tokens, unscored));
  TextLoss loss = count_block(tokenizer, text, begin, window.stride);
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

Result<std::vector<TextLoss>> window_losses(const TaskContext& context, std::span<const TokenId> tokens,
                                            const TextWindow& window, const ItemProgress& progress) {
  assert(window.stride > 0 && window.stride <= window.window);
  std::size_t blocks = tokens.size() / window.stride;
  if (context.limit > 0) blocks = std::min<std::size_t>(blocks, context.limit);
  std::vector<Session> sessions;
  while (sessions.size() < std::clamp<std::size_t>(context.threads, 1, std::max<std::size_t>(blocks, 1))) {
    BITMAR_TRY(Session session,
               Session::open(context.engine, {.memory = context.memory ? MemoryMode::kReadOnly : MemoryMode::kOff}));
    sessions.push_back(std::move(session));
  }
  std::vector<TextLoss> losses(blocks);
  const auto work = [&](Session& session, std::size_t block) -> Result<void> {
    BITMAR_TRY(losses[block], read_block(session, tokens, block * window.stride, window));
    return {};
  };
  BITMAR_TRY_VOID(for_each_item(std::span(sessions), blocks, work, progress));
  return losses;
}

Result<std::vector<TextLoss>> stream_losses(Session& session, std::span<const TokenId> tokens, std::size_t block,
                                            std::size_t episode, const ItemProgress& progress) {
  assert(block > 0 && episode > 0);
  const Tokenizer& tokenizer = session.engine().tokenizer();
  const bool writes = session.options().memory == MemoryMode::kReadWrite && session.engine().memory() != nullptr;
  const TokenId start = tokenizer.end_of_text();
  session.reset();
  BITMAR_TRY_VOID(session.read({&start, 1}));
  std::vector<TextLoss> losses;
  std::size_t of_episode = 0;
  for (std::size_t begin = 0; begin + block <= tokens.size(); begin += block) {
    TextLoss& loss = losses.emplace_back(count_block(tokenizer, tokens, begin, block));
    for (std::size_t next = begin; next < begin + block;) {
      const std::size_t count = std::min(begin + block - next, episode - of_episode);
      BITMAR_TRY(const auto scores, score_tokens(session, tokens.subspan(next, count), 0));
      for (const TokenScore& score : scores) loss.nats -= score.log_probability;
      next += count;
      of_episode += count;
      if (of_episode < episode) continue;
      of_episode = 0;
      if (writes) {
        BITMAR_TRY(const std::uint64_t id, session.write_episode({}));
        static_cast<void>(id);
      } else {
        session.end_episode();
      }
    }
    BITMAR_TRY_VOID(check_finite(loss, session.engine()));
    if (progress) progress(losses.size());
  }
  return losses;
}

}  // namespace bitmar
