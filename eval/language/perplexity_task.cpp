#include "eval/language/perplexity_task.h"

#include <chrono>
#include <cmath>
#include <filesystem>

#include "eval/language/held_out_text.h"
#include "eval/language/text_loss.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/task_files.h"

namespace bitmar {
namespace {

using Quotient = double (*)(const TextLoss& loss);

double nats_per_token(const TextLoss& loss) {
  return loss.nats / loss.tokens;
}

struct Metric {
  std::string_view name;
  Quotient value;
  double (*chance)(const TextLoss& loss, double uniform);  // uniform: nats of a token of a model that knows nothing
};

// A text of no word or byte has none of those scores.
constexpr Metric kMetrics[] = {
    {"nats_per_token", nats_per_token, [](const TextLoss&, double uniform) { return uniform; }},
    {"perplexity", [](const TextLoss& loss) { return std::exp(nats_per_token(loss)); },
     [](const TextLoss&, double uniform) { return std::exp(uniform); }},
    {"perplexity_per_word", [](const TextLoss& loss) { return std::exp(loss.nats / loss.words); },
     [](const TextLoss& loss, double uniform) { return std::exp(uniform * loss.tokens / loss.words); }},
    {"perplexity_per_byte", [](const TextLoss& loss) { return std::exp(loss.nats / loss.bytes); },
     [](const TextLoss& loss, double uniform) { return std::exp(uniform * loss.tokens / loss.bytes); }},
};

Score score_of(const Metric& metric, std::span<const TextLoss> blocks, const TaskContext& context) {
  const TextLoss sum = total(blocks);
  Score score;
  score.metric = metric.name;
  score.value = metric.value(sum);
  score.interval = bootstrap(blocks.size(),
                             [&](std::span<const std::uint32_t> indices) {
                               TextLoss drawn;
                               for (const std::uint32_t index : indices) drawn += blocks[index];
                               return metric.value(drawn);
                             },
                             {.seed = context.seed});
  score.chance = metric.chance(sum, std::log(context.engine->config().vocabulary));
  return score;
}

ScoreGroup group_of(std::string name, std::span<const TextLoss> blocks, const TaskContext& context) {
  ScoreGroup group;
  group.name = std::move(name);
  group.items = blocks.size();
  for (const Metric& metric : kMetrics) group.scores.push_back(score_of(metric, blocks, context));
  return group;
}

// The domains, and how they are read.
struct Texts {
  std::vector<HeldOutText> domains;
  TextWindow window;    // of the cache
  TextWindow training;  // of the length of training
};

Result<Texts> read_texts(const TaskContext& context) {
  Texts texts;
  const std::size_t window = context.engine->config().cache_tokens();
  texts.window = {window, std::max<std::size_t>(window / 2, 1)};
  const std::size_t training = std::min<std::size_t>(context.engine->config().training_length, window);
  texts.training = {training, std::max<std::size_t>(training / 2, 1)};
  const Tokenizer& tokenizer = context.engine->tokenizer();
  std::string path = context.text;
  if (path.empty()) {
    BITMAR_TRY(path, find_task_files(context.data, kTextFiles));
    BITMAR_TRY(texts.domains, read_held_out_texts(path, tokenizer, kHeldOutTokens));
  } else {
    BITMAR_TRY(std::vector<TokenId> tokens, read_last_tokens(path, tokenizer, 0));
    texts.domains.push_back({std::filesystem::path(path).stem().string(), std::move(tokens)});
  }
  for (const HeldOutText& domain : texts.domains) {
    if (domain.tokens.size() >= texts.window.stride) continue;
    return fail(ErrorCode::kInvalidFile, "{}: {} has {} tokens; expected at least {}, one step of the window", path,
                domain.name, domain.tokens.size(), texts.window.stride);
  }
  return texts;
}

// The losses of each domain in windows. done: what other runs have done, advanced.
Result<std::vector<std::vector<TextLoss>>> losses_in_windows(const TaskContext& context, const Texts& texts,
                                                             const TextWindow& window, std::uint64_t& done,
                                                             std::uint64_t planned) {
  std::vector<std::vector<TextLoss>> losses;
  for (const HeldOutText& domain : texts.domains) {
    const auto progress = [&](std::uint64_t blocks) {
      if (context.progress) context.progress(done + blocks * window.stride, planned);
    };
    BITMAR_TRY(losses.emplace_back(), window_losses(context, domain.tokens, window, progress));
    done += losses.back().size() * window.stride;
  }
  return losses;
}

std::vector<TextLoss> joined(std::span<const std::vector<TextLoss>> domains) {
  std::vector<TextLoss> all;
  for (const auto& blocks : domains) all.insert(all.end(), blocks.begin(), blocks.end());
  return all;
}

std::uint64_t count_tokens(const Texts& texts, const TextWindow& window, const TaskContext& context) {
  std::uint64_t tokens = 0;
  for (const HeldOutText& domain : texts.domains) {
    std::uint64_t blocks = domain.tokens.size() / window.stride;
    if (context.limit > 0) blocks = std::min<std::uint64_t>(blocks, context.limit);
    tokens += blocks * window.stride;
  }
  return tokens;
}

// The total over all blocks, the parts, and the loss of each block.
TaskResult result_of(std::string name, const Texts& texts, std::span<const std::vector<TextLoss>> domains,
                     const TaskContext& context) {
  TaskResult result;
  result.task = std::move(name);
  const std::vector<TextLoss> all = joined(domains);
  result.total = group_of("", all, context);
  for (std::size_t i = 0; i < domains.size(); ++i) {
    result.parts.push_back(group_of(texts.domains[i].name, domains[i], context));
  }
  result.values = {.width = 2, .statistic = ratio_of_sums};
  for (const TextLoss& block : all) {
    result.values.values.push_back(block.nats);
    result.values.values.push_back(block.tokens);
  }
  return result;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Result<TaskResult> run_perplexity(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const Texts texts, read_texts(context));
  const std::uint64_t planned =
      count_tokens(texts, texts.window, context) + count_tokens(texts, texts.training, context);
  std::uint64_t done = 0;
  BITMAR_TRY(const auto domains, losses_in_windows(context, texts, texts.window, done, planned));
  BITMAR_TRY(const auto short_windows, losses_in_windows(context, texts, texts.training, done, planned));
  TaskResult result = result_of("perplexity", texts, domains, context);
  Score trained = score_of(kMetrics[1], joined(short_windows), context);
  trained.metric = "perplexity_at_training_length";
  result.total.scores.push_back(std::move(trained));
  result.seconds = seconds_since(begin);
  return result;
}

Result<TaskResult> run_streaming_perplexity(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const Texts texts, read_texts(context));
  const std::size_t block = texts.window.stride;
  const bool writes = context.memory && context.engine->memory() != nullptr;
  const std::uint64_t tokens = count_tokens(texts, texts.window, context);
  const std::uint64_t planned = tokens * (writes ? 3 : 2);
  std::uint64_t done = 0;
  BITMAR_TRY(const auto domains, losses_in_windows(context, texts, texts.window, done, planned));
  const double in_window = std::exp(nats_per_token(total(joined(domains))));

  std::vector<TokenId> stream;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    const auto part = std::span(texts.domains[i].tokens).first(domains[i].size() * block);
    stream.insert(stream.end(), part.begin(), part.end());
  }
  const auto progress = [&](std::uint64_t blocks) {
    if (context.progress) context.progress(done + blocks * block, planned);
  };
  const std::size_t episode = context.engine->config().training_length;
  std::size_t growth = 0;  // of the session's memory after its first block, in bytes
  const auto read_stream = [&](MemoryMode memory) -> Result<std::vector<TextLoss>> {
    BITMAR_TRY(Session session, Session::open(context.engine, {.memory = memory, .threads = context.threads}));
    std::size_t before = 0;
    const auto watched = [&](std::uint64_t blocks) {
      if (blocks == 1) before = session.memory_bytes();
      progress(blocks);
    };
    auto losses = stream_losses(session, stream, block, episode, watched);
    growth = session.memory_bytes() - before;
    done += tokens;
    return losses;
  };
  BITMAR_TRY(const auto losses, read_stream(context.memory ? MemoryMode::kReadOnly : MemoryMode::kOff));

  std::vector<std::vector<TextLoss>> by_domain;
  for (std::size_t i = 0, first = 0; i < domains.size(); first += domains[i].size(), ++i) {
    const auto part = std::span(losses).subspan(first, domains[i].size());
    by_domain.emplace_back(part.begin(), part.end());
  }
  TaskResult result = result_of("streaming_perplexity", texts, by_domain, context);
  auto& scores = result.total.scores;
  const auto add = [&](std::string_view metric, double value) {
    Score& score = scores.emplace_back();
    score.metric = metric;
    score.value = value;
  };
  add("perplexity_in_window", in_window);
  add("ratio_to_window", scores[1].value / in_window);
  add("stream_tokens", total(losses).tokens);
  add("session_growth_bytes", static_cast<double>(growth));
  if (writes) {
    BITMAR_TRY(const auto written, read_stream(MemoryMode::kReadWrite));
    Score score = score_of(kMetrics[1], written, context);
    score.metric = "perplexity_writing_episodes";
    scores.push_back(std::move(score));
  }
  result.seconds = seconds_since(begin);
  return result;
}

}  // namespace bitmar
