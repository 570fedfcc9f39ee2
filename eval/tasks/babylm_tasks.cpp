#include "eval/tasks/babylm_tasks.h"

#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "eval/tasks/choice_task.h"
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

// BLiMP (Warstadt et al. 2020): which of two sentences is more probable. The supplement's lines have no field and UID.
Result<NamedItem> read_sentence_pair(const JsonRecord& record, const std::string& stem) {
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

// EWoK (Ivanova et al. 2024): the same target after the context that suits it and after the one that does not.
Result<NamedItem> read_ewok(const JsonRecord& record, const std::string&) {
  NamedItem named;
  BITMAR_TRY(const std::string target, record.text("Target1"));
  for (const char* field : {"Context1", "Context2"}) {
    BITMAR_TRY(const std::string context, record.text(field));
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

// Kim & Schuster 2023: the first of the options is what the box holds.
Result<NamedItem> read_entity_tracking(const JsonRecord& record, const std::string& stem) {
  constexpr std::size_t kMaximumOperations = 1000;
  NamedItem named;
  BITMAR_TRY(const std::string prefix, record.text("input_prefix"));
  BITMAR_TRY(const auto options, record.texts("options", 2));
  BITMAR_TRY(const std::size_t operations, record.index("numops", kMaximumOperations));
  for (const std::string& option : options) named.item.choices.push_back({prefix, option});
  named.groups = {fmt::format("{}_{}_ops", stem, operations)};
  return named;
}

// COMPS (Misra et al. 2023): the same property of a concept that has it and of one that has not.
Result<NamedItem> read_comps(const JsonRecord& record, const std::string& stem) {
  NamedItem named;
  BITMAR_TRY(const std::string property, record.text("property_phrase"));
  for (const char* field : {"prefix_acceptable", "prefix_unacceptable"}) {
    BITMAR_TRY(const std::string prefix, record.text(field));
    named.item.choices.push_back({prefix, " " + property});
  }
  named.groups = {stem};
  return named;
}

// Words that do not exist (Hofmann et al. 2024; Weissweiler et al. 2023): whole sentences, the people's share for the
// first.
Result<NamedItem> read_wug(const JsonRecord& record, const std::string& stem) {
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

template <Result<NamedItem> (*kRead)(const JsonRecord&, const std::string&)>
Result<TaskResult> run(const TaskContext& context, std::string_view name, std::string_view files) {
  return run_choice_task(context, {.name = name,
                                   .files = files,
                                   .read = [](const std::string& folder) { return read_folder(folder, kRead); },
                                   .shuffled = false,
                                   .mean_of_parts = true,
                                   .always_start = true});
}

}  // namespace

Result<TaskResult> run_blimp(const TaskContext& context) {
  return run<read_sentence_pair>(context, "blimp", kBlimpFiles);
}

Result<TaskResult> run_blimp_fast(const TaskContext& context) {
  return run<read_sentence_pair>(context, "blimp_fast", kBlimpFastFiles);
}

Result<TaskResult> run_supplement(const TaskContext& context) {
  return run<read_sentence_pair>(context, "supplement", kSupplementFiles);
}

Result<TaskResult> run_supplement_fast(const TaskContext& context) {
  return run<read_sentence_pair>(context, "supplement_fast", kSupplementFastFiles);
}

Result<TaskResult> run_ewok(const TaskContext& context) {
  return run<read_ewok>(context, "ewok", kEwokFiles);
}

Result<TaskResult> run_ewok_fast(const TaskContext& context) {
  return run<read_ewok>(context, "ewok_fast", kEwokFastFiles);
}

Result<TaskResult> run_entity_tracking(const TaskContext& context) {
  return run<read_entity_tracking>(context, "entity_tracking", kEntityTrackingFiles);
}

Result<TaskResult> run_entity_tracking_fast(const TaskContext& context) {
  return run<read_entity_tracking>(context, "entity_tracking_fast", kEntityTrackingFastFiles);
}

Result<TaskResult> run_comps(const TaskContext& context) {
  return run<read_comps>(context, "comps", kCompsFiles);
}

Result<TaskResult> run_wug_adj_nominalization(const TaskContext& context) {
  return run<read_wug>(context, "wug_adj_nominalization", kWugAdjectiveFiles);
}

Result<TaskResult> run_wug_past_tense(const TaskContext& context) {
  return run<read_wug>(context, "wug_past_tense", kWugPastTenseFiles);
}

}  // namespace bitmar
