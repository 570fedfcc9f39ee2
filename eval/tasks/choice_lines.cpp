#include "eval/tasks/choice_lines.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "eval/scoring/choices.h"

namespace bitmar {
namespace {

using nlohmann::ordered_json;

// One field of every choice.
template <typename Value>
ordered_json list(std::span<const ContinuationScore> scores, const Value& value) {
  ordered_json values = ordered_json::array();
  for (const ContinuationScore& score : scores) values.push_back(value(score));
  return values;
}

// The choice as the BabyLM pipeline compares it: its continuation, or what else distinguishes it from the others.
std::string text_of(const ChoiceItem& item, std::size_t choice) {
  const auto& [context, continuation] = item.choices[choice];
  const Choice& first = item.choices.front();
  if (!std::ranges::all_of(item.choices, [&](const Choice& one) { return one.continuation == first.continuation; })) {
    return continuation;
  }
  const bool same = std::ranges::all_of(item.choices, [&](const Choice& one) { return one.context == first.context; });
  return same && item.images.size() > 1 ? item.images[choice] : context + continuation;
}

// Adds what the pipeline keeps of an item.
void add_prediction(const ChoiceItem& item, std::span<const ContinuationScore> scores, ordered_json& line) {
  if (!item.alternatives) {
    line["pred"] = -scores[0].log_probability;
    line["prev_pred"] = scores.size() > 1 ? ordered_json(-scores[1].log_probability) : ordered_json();
    return;
  }
  const std::size_t chosen = prefer(scores, Normalization::kRaw).best.front();
  line["pred"] = text_of(item, chosen);
  if (item.human_ratio) line["prob"] = probability_of_first(scores, Normalization::kRaw);
  line["choice"] = chosen;
  if (item.human_ratio) {
    line["human_ratio"] = *item.human_ratio;
  } else {
    line["gold"] = item.gold;
  }
}

void write_line(const ChoiceItem& item, std::span<const ContinuationScore> scores, ordered_json& line) {
  const auto divided = [&](Normalization normalization) {
    return list(scores, [&](const ContinuationScore& score) { return normalized(score, normalization); });
  };
  add_prediction(item, scores, line);
  line["log_likelihoods"] = divided(Normalization::kRaw);
  line["per_token"] = divided(Normalization::kTokens);
  line["per_character"] = divided(Normalization::kCharacters);
  line["per_byte"] = divided(Normalization::kBytes);
  line["tokens"] = list(scores, [](const ContinuationScore& score) { return score.tokens; });
  line["characters"] = list(scores, [](const ContinuationScore& score) { return score.characters; });
  line["bytes"] = list(scores, [](const ContinuationScore& score) { return score.bytes; });
  line["greedy"] = list(scores, [](const ContinuationScore& score) { return score.greedy; });
}

std::optional<ItemScores> read_line(const ChoiceItem& item, const ordered_json& json) {
  const std::size_t count = item.choices.size();
  const auto valid = [&](const char* key, auto is) {
    const auto values = json.find(key);
    return values != json.end() && values->is_array() && values->size() == count && std::ranges::all_of(*values, is);
  };
  const auto is_number = [](const ordered_json& value) { return value.is_number(); };
  const auto is_count = [](const ordered_json& value) { return value.is_number_unsigned(); };
  const auto is_truth = [](const ordered_json& value) { return value.is_boolean(); };
  if (!valid("log_likelihoods", is_number) || !valid("tokens", is_count) || !valid("characters", is_count) ||
      !valid("bytes", is_count) || !valid("greedy", is_truth)) {
    return std::nullopt;
  }
  ItemScores scores(count);
  for (std::size_t i = 0; i < count; ++i) {
    scores[i].log_probability = json["log_likelihoods"][i].get<double>();
    scores[i].tokens = json["tokens"][i].get<std::uint64_t>();
    scores[i].characters = json["characters"][i].get<std::uint64_t>();
    scores[i].bytes = json["bytes"][i].get<std::uint64_t>();
    scores[i].greedy = json["greedy"][i].get<bool>();
  }
  return scores;
}

}  // namespace

KeptFormat<ItemScores> choice_lines(std::span<const ChoiceItem> items) {
  return {.id = [items](std::size_t i) { return items[i].id; },
          .write = [items](std::size_t i, const ItemScores& scores,
                           ordered_json& line) { write_line(items[i], scores, line); },
          .read = [items](std::size_t i, const ordered_json& line) { return read_line(items[i], line); }};
}

}  // namespace bitmar
