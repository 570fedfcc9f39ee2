// The multimodal tasks of the BabyLM evaluation pipeline, in its layout. It distributes the items; the images, which
// have licences of their own, users add:
//
// - Winoground (Thrush et al. 2022), the pipeline's unpaired text score: which of two captions fits the image, which
//   `winoground_filtered/images` holds as in the authors' images.zip, ex_<index>_img_<0 or 1>.png.
// - VQAv2 with seven distractors: images/<idx_in_hf_dataset>.jpg (or .png), the number in the validation split.
// - DevBench (Tan et al. 2024), visual vocabulary and reception of grammar: which of a manifest's images fits the text.
//
// Any of the images folders may be replaced by features.npy and features.npy.txt (`bitmar features`).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/tasks/choice_set.h"
#include "eval/tasks/task.h"

namespace bitmar {

inline constexpr std::string_view kWinogroundFiles =
    "babylm/winoground_filtered|full_eval/winoground_filtered|winoground_filtered";
inline constexpr std::string_view kVqaFiles = "babylm/vqa_filtered|full_eval/vqa_filtered|vqa_filtered";
inline constexpr std::string_view kVocabularyFiles =
    "babylm/devbench/assets/lex-viz_vocab+manifest.csv|full_eval/devbench/assets/lex-viz_vocab+manifest.csv|"
    "devbench/assets/lex-viz_vocab+manifest.csv";
inline constexpr std::string_view kGrammarFiles =
    "babylm/devbench/assets/gram-trog+manifest.csv|full_eval/devbench/assets/gram-trog+manifest.csv|"
    "devbench/assets/gram-trog+manifest.csv";

// Errors name file, line and field.
[[nodiscard]] Result<ChoiceSet> read_winoground(const std::string& folder);
[[nodiscard]] Result<ChoiceSet> read_vqa(const std::string& folder);
// manifest.csv: image1, image2, … (paths below the folder, the right one first) and text1.
[[nodiscard]] Result<ChoiceSet> read_devbench(const std::string& folder);

[[nodiscard]] Result<TaskResult> run_winoground(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_vqa(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_devbench_vocabulary(const TaskContext& context);
[[nodiscard]] Result<TaskResult> run_devbench_grammar(const TaskContext& context);

}  // namespace bitmar
