#include "eval/tasks/babylm_items.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "eval/tasks/json_lines.h"
#include "eval/tasks/task_files.h"

namespace bitmar {
namespace {

// An item and the names of its groups, its part first.
struct NamedItem {
  ChoiceItem item;
  std::vector<std::string> groups;
};

// A reader of one line of the file `stem`.jsonl.
using ReadItem = std::function<Result<NamedItem>(const JsonRecord&, const std::string& stem)>;

// All files of a folder. Ids are "<part>_<number in the part>", as the pipeline's.
Result<ChoiceSet> read_folder(const std::string& folder, const ReadItem& read) {
  ChoiceSet set;
  BITMAR_TRY(set.files, list_json_lines(folder));
  std::unordered_map<std::string, std::size_t> counts;
  for (const std::string& path : set.files) {
    const std::string stem = std::filesystem::path(path).stem().string();
    BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
      BITMAR_TRY(NamedItem named, read(record, stem));
      const std::string& part = named.groups.front();
      named.item.id = fmt::format("{}_{}", part, counts[part]++);
      for (const std::string& group : named.groups) named.item.groups.push_back(set.group(group));
      set.items.push_back(std::move(named.item));
      return {};
    }));
  }
  return set;
}

// The supplement's lines have no field and UID.
Result<NamedItem> read_pair_item(const JsonRecord& record, const std::string& stem) {
  NamedItem named;
  for (const char* field : {"sentence_good", "sentence_bad"}) {
    BITMAR_TRY(std::string sentence, record.text(field));
    named.item.choices.push_back({"", std::move(sentence)});
  }
  if (!record.has("field")) {
    named.groups = {stem};
    return named;
  }
  BITMAR_TRY(const std::string paradigm, record.text("UID"));
  BITMAR_TRY(std::string field, record.text("field"));
  BITMAR_TRY(const std::string term, record.text("linguistics_term"));
  if (field == "syntax_semantics") field = "syntax/semantics";
  named.groups = {paradigm, "field: " + field, "term: " + term};
  return named;
}

Result<NamedItem> read_ewok_item(const JsonRecord& record, const std::string&) {
  NamedItem named;
  BITMAR_TRY(const std::string context, record.text("Context1"));
  for (const char* field : {"Target1", "Target2"}) {
    BITMAR_TRY(const std::string target, record.text(field));
    named.item.choices.push_back({context, " " + target});
  }
  BITMAR_TRY(const std::string domain, record.text("Domain"));
  named.groups = {domain};
  for (const auto& [field, name] :
       {std::pair("ContextType", "context type"), std::pair("ContextDiff", "context contrast"),
        std::pair("TargetDiff", "target contrast")}) {
    if (!record.has(field)) continue;
    BITMAR_TRY(const std::string value, record.text(field));
    named.groups.push_back(fmt::format("{}: {}", name, value));
  }
  return named;
}

Result<NamedItem> read_entity_item(const JsonRecord& record, const std::string& stem) {
  constexpr std::size_t kMaximumOperations = 1000;
  NamedItem named;
  BITMAR_TRY(const std::string prefix, record.text("input_prefix"));
  BITMAR_TRY(const auto options, record.texts("options", 2));
  BITMAR_TRY(const std::size_t operations, record.index("numops", kMaximumOperations));
  for (const std::string& option : options) named.item.choices.push_back({prefix, option});
  named.groups = {fmt::format("{}_{}_ops", stem, operations)};
  return named;
}

Result<NamedItem> read_comps_item(const JsonRecord& record, const std::string& stem) {
  NamedItem named;
  BITMAR_TRY(const std::string property, record.text("property_phrase"));
  for (const char* field : {"prefix_acceptable", "prefix_unacceptable"}) {
    BITMAR_TRY(const std::string prefix, record.text(field));
    named.item.choices.push_back({prefix, " " + property});
  }
  named.groups = {stem};
  return named;
}

Result<NamedItem> read_wug_item(const JsonRecord& record, const std::string& stem) {
  NamedItem named;
  BITMAR_TRY(const std::string sentences, record.text("sentences"));
  for (std::size_t begin = 0; begin <= sentences.size();) {
    const std::size_t end = std::min(sentences.find('\t', begin), sentences.size());
    named.item.choices.push_back({"", sentences.substr(begin, end - begin)});
    if (named.item.choices.back().continuation.empty()) return record.error("sentences", "holds an empty sentence");
    begin = end + 1;
  }
  if (named.item.choices.size() < 2) return record.error("sentences", "must be two or more, separated by tabs");
  BITMAR_TRY(named.item.human_ratio, record.number("ratio"));
  named.groups = {stem};
  return named;
}

}  // namespace

Result<ChoiceSet> read_sentence_pairs(const std::string& folder) {
  return read_folder(folder, read_pair_item);
}

Result<ChoiceSet> read_ewok(const std::string& folder) {
  return read_folder(folder, read_ewok_item);
}

Result<ChoiceSet> read_entity_tracking(const std::string& folder) {
  return read_folder(folder, read_entity_item);
}

Result<ChoiceSet> read_comps(const std::string& folder) {
  return read_folder(folder, read_comps_item);
}

Result<ChoiceSet> read_wug(const std::string& folder) {
  return read_folder(folder, read_wug_item);
}

}  // namespace bitmar
