#include "eval/registry/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>

#include "eval/images/image_source.h"
#include "eval/language/perplexity_task.h"
#include "eval/language/reading_task.h"
#include "eval/tasks/babylm_tasks.h"
#include "eval/tasks/harness_tasks.h"
#include "eval/tasks/task_files.h"
#include "eval/vision/babylm_images.h"
#include "eval/vision/caption_task.h"
#include "eval/vision/easy_vqa.h"
#include "eval/vision/retrieval_task.h"
#include "eval/vision/second_caption_task.h"

namespace bitmar {
namespace {

constexpr std::array kTasks = {
    Task{"arc_easy", "science questions of grade school", kArcEasyFiles, run_arc_easy},
    Task{"boolq", "yes or no, from a passage", kBoolqFiles, run_boolq},
    Task{"hellaswag", "how an everyday scene goes on", kHellaswagFiles, run_hellaswag},
    Task{"winogrande", "what a pronoun stands for, by partial scoring", kWinograndeFiles, run_winogrande},
    Task{"commonsense_qa", "common sense, five choices", kCommonsenseQaFiles, run_commonsense_qa},
    Task{"mmlu", "exams in 57 subjects", kMmluFiles, run_mmlu},
    Task{"mmlu_5_shot", "the same after five worked examples", kMmluFewShotFiles, run_mmlu_5_shot},
    Task{"piqa", "how to do things with things", kPiqaFiles, run_piqa},
    Task{"blimp", "grammatical minimal pairs", kBlimpFiles, run_blimp},
    Task{"blimp_fast", "BabyLM's fast subset of it", kBlimpFastFiles, run_blimp_fast},
    Task{"supplement", "BabyLM's supplement of BLiMP", kSupplementFiles, run_supplement},
    Task{"supplement_fast", "BabyLM's fast subset of it", kSupplementFastFiles, run_supplement_fast},
    Task{"ewok", "basic knowledge of the world", kEwokFiles, run_ewok},
    Task{"ewok_fast", "BabyLM's fast subset of it", kEwokFastFiles, run_ewok_fast},
    Task{"entity_tracking", "what is in which box", kEntityTrackingFiles, run_entity_tracking},
    Task{"entity_tracking_fast", "BabyLM's fast subset of it", kEntityTrackingFastFiles, run_entity_tracking_fast},
    Task{"comps", "what has which property", kCompsFiles, run_comps},
    Task{"wug_adj_nominalization", "nouns of made-up adjectives, against people's choices", kWugAdjectiveFiles,
         run_wug_adj_nominalization},
    Task{"wug_past_tense", "past tenses of made-up verbs, against people's choices", kWugPastTenseFiles,
         run_wug_past_tense},
    Task{"reading", "people's reading times, by how surprising words are", kReadingFiles, run_reading},
    Task{"perplexity", "held-out text, inside the attention window", kTextFiles, run_perplexity},
    Task{"streaming_perplexity", "the same text as one endless stream", kTextFiles, run_streaming_perplexity},
    Task{"captions", "captions of photos, pixels in", kCaptionFiles, run_captions, true},
    Task{"retrieval", "photos by their captions, and captions by their photos", kRetrievalFiles, run_retrieval, true},
    Task{"second_caption", "a photo's captions after its first was written to the memory", kSecondCaptionFiles,
         run_second_caption, true},
    Task{"easy_vqa", "questions about drawn shapes", kEasyVqaFiles, run_easy_vqa, true},
    Task{"winoground", "which of two captions of the same words fits a photo", kWinogroundFiles, run_winoground, true},
    Task{"vqa", "questions about photos, eight answers", kVqaFiles, run_vqa, true},
    Task{"devbench_vocabulary", "which of four photos a word names", kVocabularyFiles, run_devbench_vocabulary, true},
    Task{"devbench_grammar", "which of four pictures a sentence describes", kGrammarFiles, run_devbench_grammar, true},
};

}  // namespace

std::span<const Task> tasks() {
  return kTasks;
}

Result<Task> find_task(std::string_view name) {
  const auto found = std::ranges::find(tasks(), name, &Task::name);
  if (found != tasks().end()) return *found;
  std::string names;
  for (const Task& task : tasks()) names += fmt::format(" {}", task.name);
  return fail(ErrorCode::kNotFound, "no task '{}'; expected one of{}", name, names);
}

Result<void> check_runnable(const Task& task, const TaskContext& context) {
  if (task.files == kTextFiles && !context.text.empty()) return {};
  BITMAR_TRY(const std::string path, find_task_files(context.data, task.files));
  const std::filesystem::path found(path);
  if (is_directory(found) && is_empty(found)) return fail(ErrorCode::kNotFound, "{}: is empty", path);
  if (!task.images) return {};
  const std::string folder = (is_directory(found) ? found : found.parent_path()).string();
  BITMAR_TRY(const ImageSource images, find_images(folder, *context.engine));
  BITMAR_TRY(const ImageReader reader, ImageReader::open(images, *context.engine));
  static_cast<void>(reader);
  return {};
}

}  // namespace bitmar
