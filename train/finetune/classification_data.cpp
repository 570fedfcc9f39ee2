#include "finetune/classification_data.h"

#include <algorithm>
#include <expected>
#include <nlohmann/json.hpp>
#include <span>

#include "data/fingerprint.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using nlohmann::json;

// `text` with every "{key}" replaced by that string of the object; else what is wrong with it.
std::expected<std::string, std::string> fill(std::string_view text, const json& object) {
  std::string filled;
  for (;;) {
    const std::size_t open = text.find('{');
    filled += text.substr(0, open);
    if (open == std::string_view::npos) return filled;
    const std::size_t close = text.find('}', open);
    const std::string key(text.substr(open + 1, close - open - 1));
    const auto found = object.find(key);
    if (found == object.end()) return std::unexpected(fmt::format("key '{}' is missing", key));
    if (!found->is_string()) return std::unexpected(fmt::format("key '{}' must be a string", key));
    filled += found->get_ref<const std::string&>();
    text.remove_prefix(close + 1);
  }
}

std::expected<std::uint32_t, std::string> label_of(const json& object, std::uint32_t classes) {
  const auto found = object.find("label");
  if (found == object.end()) return std::unexpected("key 'label' is missing");
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() >= classes) {
    return std::unexpected(fmt::format("key 'label' must be a whole number from 0 to {}", classes - 1));
  }
  return found->get<std::uint32_t>();
}

// Cuts the longer text to what the other leaves of `room`, and both to half of it where that is not enough.
void cut_pair(std::vector<TokenId>& first, std::vector<TokenId>& second, std::size_t room) {
  if (first.size() + second.size() <= room) return;
  std::vector<TokenId>& shorter = first.size() <= second.size() ? first : second;
  std::vector<TokenId>& longer = &shorter == &first ? second : first;
  if (shorter.size() > room / 2) shorter.resize(room / 2);
  longer.resize(std::min(longer.size(), room - shorter.size()));
}

std::expected<ClassificationExample, std::string> parse_example(std::string_view line, const ClassificationTask& task,
                                                                const Tokenizer& tokenizer,
                                                                std::uint32_t maximum_tokens) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::unexpected("not a JSON object");
  const auto first_text = fill(task.first, object);
  if (!first_text) return std::unexpected(first_text.error());
  const auto second_text = fill(task.second, object);
  if (!second_text) return std::unexpected(second_text.error());
  const auto label = label_of(object, task.classes);
  if (!label) return std::unexpected(label.error());

  std::vector<TokenId> first = tokenizer.encode(*first_text);
  std::vector<TokenId> second = tokenizer.encode(*second_text);
  constexpr std::size_t kMarks = 2;
  cut_pair(first, second, maximum_tokens > kMarks ? maximum_tokens - kMarks : 0);
  ClassificationExample example{.tokens = {tokenizer.end_of_text()}, .label = *label};
  example.tokens.insert(example.tokens.end(), first.begin(), first.end());
  example.tokens.push_back(tokenizer.end_of_text());
  example.tokens.insert(example.tokens.end(), second.begin(), second.end());
  return example;
}

}  // namespace

Result<ClassificationData> read_classification_data(const std::string& path, const ClassificationTask& task,
                                                    const Tokenizer& tokenizer, std::uint32_t maximum_tokens,
                                                    std::uint64_t limit) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  ClassificationData data;
  Lines lines(as_text(file.bytes()));
  std::string_view line;
  while ((limit == 0 || data.examples.size() < limit) && lines.next(line)) {
    if (strip(line).empty()) continue;
    auto example = parse_example(line, task, tokenizer, maximum_tokens);
    if (!example) return fail(ErrorCode::kInvalidFile, "{}:{}: {}", path, lines.number(), example.error());
    data.examples.push_back(*std::move(example));
  }
  if (data.examples.empty()) return fail(ErrorCode::kInvalidFile, "{}: no item in it", path);
  Fingerprint print;
  print.add_bytes(file.bytes());
  data.fingerprint = print.hex();
  return data;
}

}  // namespace bitmar
