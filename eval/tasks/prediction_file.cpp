#include "eval/tasks/prediction_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "eval/scoring/choices.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace fs = std::filesystem;
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

// What the pipeline keeps of an item.
ordered_json prediction_of(const ChoiceItem& item, std::span<const ContinuationScore> scores) {
  if (!item.alternatives) {
    const ordered_json previous = scores.size() > 1 ? ordered_json(-scores[1].log_probability) : ordered_json();
    return {{"id", item.id}, {"pred", -scores[0].log_probability}, {"prev_pred", previous}};
  }
  const std::size_t chosen = prefer(scores, Normalization::kRaw).best.front();
  ordered_json prediction = {{"id", item.id}, {"pred", text_of(item, chosen)}};
  if (item.human_ratio) prediction["prob"] = probability_of_first(scores, Normalization::kRaw);
  prediction["choice"] = chosen;
  if (item.human_ratio) {
    prediction["human_ratio"] = *item.human_ratio;
  } else {
    prediction["gold"] = item.gold;
  }
  return prediction;
}

std::string to_line(const ChoiceItem& item, std::span<const ContinuationScore> scores) {
  const auto divided = [&](Normalization normalization) {
    return list(scores, [&](const ContinuationScore& score) { return normalized(score, normalization); });
  };
  ordered_json line = prediction_of(item, scores);
  line["log_likelihoods"] = divided(Normalization::kRaw);
  line["per_token"] = divided(Normalization::kTokens);
  line["per_character"] = divided(Normalization::kCharacters);
  line["per_byte"] = divided(Normalization::kBytes);
  line["tokens"] = list(scores, [](const ContinuationScore& score) { return score.tokens; });
  line["characters"] = list(scores, [](const ContinuationScore& score) { return score.characters; });
  line["bytes"] = list(scores, [](const ContinuationScore& score) { return score.bytes; });
  line["greedy"] = list(scores, [](const ContinuationScore& score) { return score.greedy; });
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// The scores of a line that is this item's; nullopt: it is not.
std::optional<std::vector<ContinuationScore>> from_line(std::string_view line, const ChoiceItem& item) {
  const auto json = ordered_json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("id") || json["id"] != item.id) return std::nullopt;
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
  std::vector<ContinuationScore> scores(count);
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

Result<PredictionFile> PredictionFile::open(const std::string& folder, const PredictionBinding& binding,
                                            std::span<const ChoiceItem> items) {
  std::error_code status;
  fs::create_directories(folder, status);
  if (status) return fail(ErrorCode::kIo, "{}: cannot create it: {}", folder, status.message());
  const std::string path = (fs::path(folder) / (binding.task + ".jsonl")).string();
  const std::string partial = path + ".partial";
  BITMAR_TRY(FileLock lock, FileLock::acquire(path));
  PredictionFile file(path, items, std::move(lock));

  file.complete_ = fs::exists(path, status);
  const bool interrupted = !file.complete_ && fs::exists(partial, status);
  if (file.complete_ || interrupted) {
    BITMAR_TRY_VOID(check_binding(folder, binding));
    BITMAR_TRY_VOID(file.resume(file.complete_ ? path : partial));
  } else {
    BITMAR_TRY_VOID(write_binding(folder, binding));
  }
  file.appended_ = file.finished_.size();
  if (file.complete_) {
    if (file.appended_ == items.size()) return file;
    return fail(ErrorCode::kInvalidFile,
                "{}: line {} is not the prediction of item '{}'; delete the file to start anew", path,
                file.appended_ + 1, items[file.appended_].id);
  }
  file.file_ = FileDescriptor(::open(partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  if (!file.file_) return fail_io(partial, "open it", errno);
  // What an interruption left of its last line goes.
  if (::ftruncate(file.file_.get(), static_cast<off_t>(file.size_)) != 0) return fail_io(partial, "cut it", errno);
  return file;
}

Result<void> PredictionFile::resume(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text = as_text(file.bytes());
  while (finished_.size() < items_.size()) {
    const std::size_t end = text.find('\n', static_cast<std::size_t>(size_));
    if (end == std::string_view::npos) break;
    auto scores = from_line(text.substr(static_cast<std::size_t>(size_), end - static_cast<std::size_t>(size_)),
                            items_[finished_.size()]);
    if (!scores) break;
    finished_.push_back(*std::move(scores));
    size_ = end + 1;
  }
  return {};
}

Result<void> PredictionFile::append(std::span<const std::vector<ContinuationScore>> scores) {
  std::string lines;
  for (const auto& choices : scores) lines += to_line(items_[appended_++], choices);
  BITMAR_TRY_VOID(write_at(file_, path_ + ".partial", std::as_bytes(std::span(lines)), size_));
  size_ += lines.size();
  return {};
}

Result<void> PredictionFile::finish() {
  if (complete_) return {};
  const std::string partial = path_ + ".partial";
  if (::fsync(file_.get()) != 0) return fail_io(partial, "flush it to the disk", errno);
  if (::rename(partial.c_str(), path_.c_str()) != 0) return fail_io(path_, "rename the finished file to it", errno);
  complete_ = true;
  return sync_folder_of(path_);
}

}  // namespace bitmar
