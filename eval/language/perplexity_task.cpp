#include "eval/language/perplexity_task.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "eval/language/held_out_text.h"
#include "eval/language/text_loss.h"
#include "eval/statistics/bootstrap.h"
#include "eval/tasks/kept_items.h"
#include "eval/tasks/task_files.h"
#include "io/content_hash.h"

namespace bitmar {
namespace {

using Json = nlohmann::ordered_json;

// What perplexity and streaming_perplexity measure alike is kept once.
constexpr std::string_view kInWindows = "perplexity";

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
  std::string hash;     // of names and tokens
  TextWindow window;    // of the cache
  TextWindow training;  // of the length of training
};

std::string hash_texts(std::span<const HeldOutText> domains) {
  std::string hashes;
  for (const HeldOutText& domain : domains) {
    hashes += fmt::format("{} {}\n", content_hash(std::as_bytes(std::span(domain.tokens))), domain.name);
  }
  return content_hash(std::as_bytes(std::span(hashes)));
}

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
  texts.hash = hash_texts(texts.domains);
  return texts;
}

// The blocks of the domains, one domain after the other.
struct DomainBlocks {
  std::vector<TextBlock> blocks;
  std::vector<std::string> ids;  // "bnc_12"
  std::vector<std::size_t> counts;

  [[nodiscard]] std::size_t tokens() const { return blocks.empty() ? 0 : blocks.size() * blocks.front().count; }
};

DomainBlocks domain_blocks(const Texts& texts, std::size_t tokens, std::uint64_t limit) {
  DomainBlocks all;
  for (const HeldOutText& domain : texts.domains) {
    const std::vector<TextBlock> blocks = blocks_of(domain.tokens, tokens, limit);
    for (std::size_t i = 0; i < blocks.size(); ++i) all.ids.push_back(fmt::format("{}_{}", domain.name, i));
    all.blocks.insert(all.blocks.end(), blocks.begin(), blocks.end());
    all.counts.push_back(blocks.size());
  }
  return all;
}

void write_loss(const TextLoss& loss, Json& line) {
  line["nats"] = loss.nats;
  line["tokens"] = loss.tokens;
  line["words"] = loss.words;
  line["bytes"] = loss.bytes;
}

std::optional<TextLoss> read_loss(const Json& line) {
  const auto nats = number_in(line, "nats");
  const auto tokens = number_in(line, "tokens");
  const auto words = number_in(line, "words");
  const auto bytes = number_in(line, "bytes");
  if (!nats || !tokens || !words || !bytes) return std::nullopt;
  return TextLoss{*nats, *tokens, *words, *bytes};
}

KeptFormat<TextLoss> loss_lines(const DomainBlocks& all) {
  return {.id = [&all](std::size_t block) { return all.ids[block]; },
          .write = [](std::size_t, const TextLoss& loss, Json& line) { write_loss(loss, line); },
          .read = [](std::size_t, const Json& line) { return read_loss(line); }};
}

KeptFormat<StreamLoss> stream_lines(const DomainBlocks& all) {
  return {.id = [&all](std::size_t block) { return all.ids[block]; },
          .write =
              [](std::size_t, const StreamLoss& block, Json& line) {
                write_loss(block.loss, line);
                line["session_growth"] = block.session_growth;
              },
          .read = [](std::size_t, const Json& line) -> std::optional<StreamLoss> {
            const auto loss = read_loss(line);
            const auto growth = line.find("session_growth");
            if (!loss || growth == line.end() || !growth->is_number_integer()) return std::nullopt;
            return StreamLoss{*loss, growth->get<std::int64_t>()};
          }};
}

// The readings of one task's texts, each kept under a name of its own.
class Readings {
 public:
  // planned: the tokens of all readings.
  Readings(const TaskContext& context, const Texts& texts, std::uint64_t planned)
      : context_(context), texts_(texts), planned_(planned) {}

  Result<std::vector<TextLoss>> in_windows(std::string_view name, const DomainBlocks& all, const TextWindow& window) {
    const auto run = [&](std::size_t first, const ValueSink<TextLoss>& sink) {
      return window_losses(context_, std::span(all.blocks).subspan(first), window, sink);
    };
    return measure_kept<TextLoss>(context_, binding(name), all.blocks.size(), loss_lines(all), run,
                                  counter(window.stride));
  }

  Result<std::vector<StreamLoss>> as_stream(std::string_view name, const DomainBlocks& all, MemoryMode memory) {
    std::vector<TokenId> stream;
    for (const TextBlock& block : all.blocks) {
      const auto tokens = block.text.subspan(block.begin, block.count);
      stream.insert(stream.end(), tokens.begin(), tokens.end());
    }
    const StreamPlan plan{texts_.window.stride, context_.engine->config().training_length};
    const auto run = [&](std::size_t first, const ValueSink<StreamLoss>& sink) -> Result<std::vector<StreamLoss>> {
      BITMAR_TRY(Session session, Session::open(context_.engine, {.memory = memory, .threads = context_.threads}));
      return stream_losses(session, stream, plan, first, sink);
    };
    return measure_kept<StreamLoss>(context_, binding(name), all.blocks.size(), stream_lines(all), run,
                                    counter(plan.block));
  }

 private:
  [[nodiscard]] std::optional<PredictionBinding> binding(std::string_view name) const {
    if (context_.predictions.empty()) return std::nullopt;
    return bind_predictions(context_, name, texts_.hash);
  }
  std::function<void(std::size_t)> counter(std::size_t tokens) {
    return [this, tokens](std::size_t blocks) {
      done_ += blocks * tokens;
      if (context_.progress) context_.progress(done_, planned_);
    };
  }

  const TaskContext& context_;
  const Texts& texts_;
  std::uint64_t planned_;
  std::uint64_t done_ = 0;
};

// The total over all blocks, the parts, and the loss of each block.
TaskResult result_of(std::string name, const Texts& texts, const DomainBlocks& all, std::span<const TextLoss> losses,
                     const TaskContext& context) {
  TaskResult result;
  result.task = std::move(name);
  result.total = group_of("", losses, context);
  for (std::size_t i = 0, first = 0; i < all.counts.size(); first += all.counts[i++]) {
    result.parts.push_back(group_of(texts.domains[i].name, losses.subspan(first, all.counts[i]), context));
  }
  result.values = {.width = 2, .statistic = ratio_of_sums};
  for (const TextLoss& block : losses) {
    result.values.values.push_back(block.nats);
    result.values.values.push_back(block.tokens);
  }
  return result;
}

std::vector<TextLoss> losses_of(std::span<const StreamLoss> stream) {
  std::vector<TextLoss> losses;
  for (const StreamLoss& block : stream) losses.push_back(block.loss);
  return losses;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Result<TaskResult> run_perplexity(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const Texts texts, read_texts(context));
  const DomainBlocks all = domain_blocks(texts, texts.window.stride, context.limit);
  const DomainBlocks short_blocks = domain_blocks(texts, texts.training.stride, context.limit);
  Readings readings(context, texts, all.tokens() + short_blocks.tokens());
  BITMAR_TRY(const auto losses, readings.in_windows(kInWindows, all, texts.window));
  BITMAR_TRY(const auto short_losses,
             readings.in_windows("perplexity-at-training-length", short_blocks, texts.training));
  TaskResult result = result_of("perplexity", texts, all, losses, context);
  Score trained = score_of(kMetrics[1], short_losses, context);
  trained.metric = "perplexity_at_training_length";
  result.total.scores.push_back(std::move(trained));
  result.seconds = seconds_since(begin);
  return result;
}

Result<TaskResult> run_streaming_perplexity(const TaskContext& context) {
  const auto begin = std::chrono::steady_clock::now();
  BITMAR_TRY(const Texts texts, read_texts(context));
  const bool writes = context.reads_memory();
  const DomainBlocks all = domain_blocks(texts, texts.window.stride, context.limit);
  Readings readings(context, texts, all.tokens() * (writes ? 3 : 2));
  BITMAR_TRY(const auto in_windows, readings.in_windows(kInWindows, all, texts.window));
  const double in_window = std::exp(nats_per_token(total(in_windows)));
  BITMAR_TRY(const auto stream, readings.as_stream("streaming_perplexity", all,
                                                   context.memory ? MemoryMode::kReadOnly : MemoryMode::kOff));
  const std::vector<TextLoss> losses = losses_of(stream);
  TaskResult result = result_of("streaming_perplexity", texts, all, losses, context);
  auto& scores = result.total.scores;
  const auto add = [&](std::string_view metric, double value) {
    Score& score = scores.emplace_back();
    score.metric = metric;
    score.value = value;
  };
  add("perplexity_in_window", in_window);
  add("ratio_to_window", scores[1].value / in_window);
  add("stream_tokens", total(losses).tokens);
  add("session_growth_bytes", static_cast<double>(stream.back().session_growth - stream.front().session_growth));
  if (writes) {
    BITMAR_TRY(const auto written,
               readings.as_stream("streaming_perplexity-writing-episodes", all, MemoryMode::kReadWrite));
    Score score = score_of(kMetrics[1], losses_of(written), context);
    score.metric = "perplexity_writing_episodes";
    scores.push_back(std::move(score));
  }
  result.seconds = seconds_since(begin);
  return result;
}

}  // namespace bitmar
