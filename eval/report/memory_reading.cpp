#include "eval/report/memory_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "eval/report/heat_map.h"
#include "io/lines.h"

namespace bitmar::report {
namespace {

constexpr std::size_t kShownSlots = 20;

// One generated token: its bytes and what was read when it was chosen.
struct TokenReading {
  std::string bytes;
  std::vector<double> attention;
};

// A token that begins with a blank begins a word, as in GPT-2's vocabulary.
std::vector<WordReading> join_words(const std::vector<TokenReading>& tokens) {
  std::vector<WordReading> words;
  std::vector<double> counts;
  for (const TokenReading& token : tokens) {
    const std::string_view text = strip(token.bytes);
    if (text.empty() && words.empty()) continue;
    if (words.empty() || token.bytes.starts_with(' ') || token.bytes.starts_with('\n')) {
      words.push_back({{}, std::vector<double>(token.attention.size(), 0.0)});
      counts.push_back(0);
    }
    words.back().word += text;
    std::ranges::transform(words.back().attention, token.attention, words.back().attention.begin(), std::plus());
    ++counts.back();
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (double& share : words[i].attention) share /= counts[i];
  }
  return words;
}

std::vector<double> mean_attention(const MemoryReading& reading) {
  std::vector<double> mean(reading.words.front().attention.size(), 0.0);
  for (const WordReading& word : reading.words) {
    for (std::size_t slot = 0; slot < mean.size(); ++slot) {
      mean[slot] += word.attention[slot] / static_cast<double>(reading.words.size());
    }
  }
  return mean;
}

}  // namespace

Result<MemoryReading> read_caption(Session& session, const CaptionOptions& options) {
  BITMAR_TRY(const Caption written, caption(session, options));
  const Tokenizer& tokenizer = session.engine().tokenizer();
  session.reset();
  std::vector<TokenReading> tokens;
  TokenId next = tokenizer.end_of_text();
  for (const TokenId token : written.ids) {
    BITMAR_TRY_VOID(session.read({&next, 1}));
    const auto attention = session.memory_attention();
    if (attention.empty()) {
      return fail(ErrorCode::kUnsupported, "{} reads no memory: there is no read attention to show",
                  session.engine().name());
    }
    tokens.push_back({std::string(tokenizer.bytes(token)), {attention.begin(), attention.end()}});
    next = token;
  }
  MemoryReading reading{written.text, join_words(tokens)};
  if (reading.words.empty()) {
    return fail(ErrorCode::kUnsupported, "{}: the caption of this photo is empty: no word reads the memory",
                session.engine().name());
  }
  return reading;
}

std::vector<std::size_t> most_read_slots(const MemoryReading& reading, std::size_t count) {
  const std::vector<double> mean = mean_attention(reading);
  std::vector<std::size_t> slots(mean.size());
  std::iota(slots.begin(), slots.end(), std::size_t{0});
  std::ranges::stable_sort(slots, std::greater(), [&](std::size_t slot) { return mean[slot]; });
  slots.resize(std::min(count, slots.size()));
  std::ranges::sort(slots);
  return slots;
}

Result<Figure> reading_figure(const MemoryReading& reading) {
  const std::vector<std::size_t> slots = most_read_slots(reading, kShownSlots);
  HeatMap map{.x_label = "memory slot", .y_label = "word of the caption", .value_label = "read attention"};
  double shown = 0;
  const std::vector<double> mean = mean_attention(reading);
  for (const std::size_t slot : slots) {
    map.column_names.push_back(std::to_string(slot));
    std::vector<double>& column = map.columns.emplace_back();
    for (const WordReading& word : reading.words) column.push_back(word.attention[slot]);
    map.limits.high = std::max(map.limits.high, *std::ranges::max_element(column));
    shown += mean[slot];
  }
  std::string description = fmt::format("The caption: {}", reading.caption);
  for (const WordReading& word : reading.words) {
    map.row_names.push_back(word.word);
    const auto most = std::ranges::max_element(word.attention);
    description +=
        fmt::format(" “{}” reads slot {} most ({}).", word.word, most - word.attention.begin(), format_value(*most));
  }
  BITMAR_TRY(Drawing drawing, draw(map));
  return Figure{
      "read-attention", "What each word reads from the memory",
      fmt::format("“{}” The {} slots of {} that are read most, in the order of their numbers; they have {:.1f} % of "
                  "the attention, an even reading would give them {:.1f} %.",
                  reading.caption, slots.size(), mean.size(), 100 * shown,
                  100.0 * static_cast<double>(slots.size()) / static_cast<double>(mean.size())),
      std::move(description), std::move(drawing)};
}

}  // namespace bitmar::report
