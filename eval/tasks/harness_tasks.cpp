#include "eval/tasks/harness_tasks.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eval/tasks/choice_task.h"
#include "eval/tasks/hellaswag_text.h"
#include "eval/tasks/json_lines.h"
#include "io/lines.h"

namespace bitmar {
namespace {

// The separator that the harness puts between a context and an answer.
constexpr std::string_view kBlank = " ";

std::string after_blank(std::string_view answer) {
  return std::string(kBlank) + std::string(answer);
}

// Reads a set line by line; an item without an id gets its number.
Result<ChoiceSet> read_set(const std::string& path,
                           const std::function<Result<ChoiceItem>(const JsonRecord&, ChoiceSet&)>& read) {
  ChoiceSet set;
  set.files = {path};
  BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
    BITMAR_TRY(ChoiceItem item, read(record, set));
    if (item.id.empty()) item.id = std::to_string(set.items.size());
    set.items.push_back(std::move(item));
    return {};
  }));
  return set;
}

void add_choices(ChoiceItem& item, const std::string& context, const std::vector<std::string>& answers) {
  for (const std::string& answer : answers) item.choices.push_back({context, after_blank(answer)});
}

// What the hub's `choices` of ARC and CommonsenseQA hold.
struct LabeledChoices {
  std::vector<std::string> texts;
  std::vector<std::string> labels;
  std::size_t gold = 0;
};

Result<LabeledChoices> read_labeled_choices(const JsonRecord& record) {
  LabeledChoices choices;
  BITMAR_TRY(const JsonRecord object, record.object("choices"));
  BITMAR_TRY(choices.texts, object.texts("text", 2));
  BITMAR_TRY(choices.labels, object.texts("label", 2));
  if (choices.labels.size() != choices.texts.size()) return record.error("choices", "has not as many labels as texts");
  BITMAR_TRY(const std::string answer, record.text("answerKey"));
  const auto found = std::ranges::find(choices.labels, answer);
  if (found == choices.labels.end()) return record.error("answerKey", "is none of the choices' labels");
  choices.gold = static_cast<std::size_t>(found - choices.labels.begin());
  return choices;
}

Result<ChoiceItem> read_arc_item(const JsonRecord& record, ChoiceSet&) {
  ChoiceItem item;
  if (record.has("id")) {
    BITMAR_TRY(item.id, record.text("id"));
  }
  BITMAR_TRY(const std::string question, record.text("question"));
  BITMAR_TRY(const LabeledChoices choices, read_labeled_choices(record));
  add_choices(item, fmt::format("Question: {}\nAnswer:", question), choices.texts);
  item.gold = choices.gold;
  return item;
}

Result<ChoiceItem> read_boolq_item(const JsonRecord& record, ChoiceSet&) {
  ChoiceItem item;
  BITMAR_TRY(const std::string passage, record.text("passage"));
  BITMAR_TRY(const std::string question, record.text("question"));
  // `answer` in the original release, `label` in SuperGLUE's.
  BITMAR_TRY(item.gold, record.index(record.has("label") ? "label" : "answer", 2));
  add_choices(item, fmt::format("{}\nQuestion: {}?\nAnswer:", passage, question), {"no", "yes"});
  return item;
}

Result<ChoiceItem> read_hellaswag_item(const JsonRecord& record, ChoiceSet&) {
  ChoiceItem item;
  BITMAR_TRY(std::vector<std::string> endings, record.texts("endings", 2));
  BITMAR_TRY(item.gold, record.index("label", endings.size()));
  std::string context;
  if (record.has("ctx_a")) {
    BITMAR_TRY(const std::string activity, record.text("activity_label"));
    BITMAR_TRY(const std::string first, record.text("ctx_a"));
    BITMAR_TRY(const std::string second, record.text("ctx_b"));
    context = clean_hellaswag(fmt::format("{}: {} {}", activity, first, capitalize(second)));
    for (std::string& ending : endings) ending = clean_hellaswag(ending);
  } else {
    BITMAR_TRY(context, record.text("ctx"));
  }
  add_choices(item, context, endings);
  return item;
}

// Partial scoring (Trinh & Le 2018): what follows the blank is scored after each way to fill it.
Result<ChoiceItem> read_winogrande_item(const JsonRecord& record, ChoiceSet&) {
  ChoiceItem item;
  BITMAR_TRY(const std::string sentence, record.text("sentence"));
  const std::size_t blank = sentence.find('_');
  if (blank == std::string::npos) return record.error("sentence", "must hold the blank '_'");
  const std::string rest = after_blank(strip(std::string_view(sentence).substr(blank + 1)));
  for (const char* field : {"option1", "option2"}) {
    BITMAR_TRY(const std::string option, record.text(field));
    item.choices.push_back({sentence.substr(0, blank) + option, rest});
  }
  BITMAR_TRY(const std::string answer, record.text("answer"));
  if (answer != "1" && answer != "2") return record.error("answer", "must be \"1\" or \"2\"");
  item.gold = answer == "2" ? 1 : 0;
  return item;
}

// "question\nA. …\nB. …\nAnswer:", and the letters as answers.
std::string lettered_prompt(std::string_view question, const std::vector<std::string>& texts) {
  std::string prompt(strip(question));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    prompt += fmt::format("\n{}. {}", static_cast<char>('A' + static_cast<char>(i)), texts[i]);
  }
  return prompt + "\nAnswer:";
}

std::vector<std::string> letters(std::size_t count) {
  std::vector<std::string> letters;
  for (std::size_t i = 0; i < count; ++i) letters.emplace_back(1, static_cast<char>('A' + static_cast<char>(i)));
  return letters;
}

Result<ChoiceItem> read_commonsense_qa_item(const JsonRecord& record, ChoiceSet&) {
  ChoiceItem item;
  if (record.has("id")) {
    BITMAR_TRY(item.id, record.text("id"));
  }
  BITMAR_TRY(const std::string question, record.text("question"));
  BITMAR_TRY(const LabeledChoices choices, read_labeled_choices(record));
  if (choices.labels != letters(5)) return record.error("choices", "must have the labels A to E");
  add_choices(item, "Question: " + lettered_prompt(question, choices.texts), choices.labels);
  item.gold = choices.gold;
  return item;
}

Result<ChoiceItem> read_piqa_item(const JsonRecord& record, ChoiceSet&) {
  ChoiceItem item;
  BITMAR_TRY(const std::string goal, record.text("goal"));
  BITMAR_TRY(const std::string first, record.text("sol1"));
  BITMAR_TRY(const std::string second, record.text("sol2"));
  BITMAR_TRY(item.gold, record.index("label", 2));
  add_choices(item, fmt::format("Question: {}\nAnswer:", goal), {first, second});
  return item;
}

constexpr std::size_t kMmluChoices = 4;

struct MmluQuestion {
  std::string subject;
  std::string prompt;
  std::size_t gold = 0;
};

Result<MmluQuestion> read_mmlu_question(const JsonRecord& record) {
  MmluQuestion question;
  BITMAR_TRY(question.subject, record.text("subject"));
  BITMAR_TRY(const std::string text, record.text("question"));
  BITMAR_TRY(const std::vector<std::string> choices, record.texts("choices", kMmluChoices));
  if (choices.size() != kMmluChoices) return record.error("choices", "must be 4 strings");
  BITMAR_TRY(question.gold, record.index("answer", kMmluChoices));
  question.prompt = lettered_prompt(text, choices);
  return question;
}

using Preambles = std::map<std::string, std::shared_ptr<const std::string>>;  // by subject

std::string mmlu_description(std::string subject) {
  std::ranges::replace(subject, '_', ' ');
  return fmt::format("The following are multiple choice questions (with answers) about {}.\n\n", subject);
}

// The first `shots` questions of each subject with their answers.
Result<Preambles> read_mmlu_examples(const std::string& path, std::size_t shots) {
  std::map<std::string, std::pair<std::string, std::size_t>> texts;
  BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
    BITMAR_TRY(const MmluQuestion question, read_mmlu_question(record));
    auto& [text, count] = texts.try_emplace(question.subject, mmlu_description(question.subject), 0).first->second;
    if (count++ < shots) text += fmt::format("{} {}\n\n", question.prompt, letters(kMmluChoices)[question.gold]);
    return {};
  }));
  Preambles preambles;
  for (const auto& [subject, text] : texts) {
    if (text.second < shots) {
      return fail(ErrorCode::kInvalidFile, "{}: {} questions of subject '{}'; expected {}", path, text.second, subject,
                  shots);
    }
    preambles.emplace(subject, std::make_shared<const std::string>(text.first));
  }
  return preambles;
}

template <std::size_t kShots>
Result<ChoiceSet> read_mmlu(const std::string& path) {
  const std::string examples = (std::filesystem::path(path).parent_path() / "dev.jsonl").string();
  Preambles preambles;
  if (kShots > 0) {
    BITMAR_TRY(preambles, read_mmlu_examples(examples, kShots));
  }
  BITMAR_TRY(ChoiceSet set, read_set(path, [&](const JsonRecord& record, ChoiceSet& set) -> Result<ChoiceItem> {
               ChoiceItem item;
               BITMAR_TRY(const MmluQuestion question, read_mmlu_question(record));
               auto preamble = preambles.find(question.subject);
               if (preamble == preambles.end()) {
                 if (kShots > 0) return record.error("subject", fmt::format("is in no line of {}", examples));
                 preamble = preambles
                                .emplace(question.subject,
                                         std::make_shared<const std::string>(mmlu_description(question.subject)))
                                .first;
               }
               item.preamble = preamble->second;
               item.gold = question.gold;
               item.groups = {set.group(question.subject)};
               add_choices(item, question.prompt, letters(kMmluChoices));
               return item;
             }));
  if (kShots > 0) set.files.push_back(examples);
  return set;
}

}  // namespace

Result<TaskResult> run_arc_easy(const TaskContext& context) {
  return run_choice_task(context, {.name = "arc_easy", .files = kArcEasyFiles, .read = [](const std::string& path) {
                                     return read_set(path, read_arc_item);
                                   }});
}

Result<TaskResult> run_boolq(const TaskContext& context) {
  return run_choice_task(context, {.name = "boolq", .files = kBoolqFiles, .read = [](const std::string& path) {
                                     return read_set(path, read_boolq_item);
                                   }});
}

Result<TaskResult> run_hellaswag(const TaskContext& context) {
  return run_choice_task(context, {.name = "hellaswag", .files = kHellaswagFiles, .read = [](const std::string& path) {
                                     return read_set(path, read_hellaswag_item);
                                   }});
}

Result<TaskResult> run_winogrande(const TaskContext& context) {
  return run_choice_task(context,
                         {.name = "winogrande", .files = kWinograndeFiles, .read = [](const std::string& path) {
                            return read_set(path, read_winogrande_item);
                          }});
}

Result<TaskResult> run_commonsense_qa(const TaskContext& context) {
  return run_choice_task(context,
                         {.name = "commonsense_qa", .files = kCommonsenseQaFiles, .read = [](const std::string& path) {
                            return read_set(path, read_commonsense_qa_item);
                          }});
}

Result<TaskResult> run_mmlu(const TaskContext& context) {
  return run_choice_task(context, {.name = "mmlu", .files = kMmluFiles, .read = read_mmlu<0>});
}

Result<TaskResult> run_mmlu_5_shot(const TaskContext& context) {
  return run_choice_task(context, {.name = "mmlu_5_shot", .files = kMmluFiles, .read = read_mmlu<5>});
}

Result<TaskResult> run_piqa(const TaskContext& context) {
  return run_choice_task(context, {.name = "piqa", .files = kPiqaFiles, .read = [](const std::string& path) {
                                     return read_set(path, read_piqa_item);
                                   }});
}

}  // namespace bitmar
