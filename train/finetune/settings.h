// What shapes the course of a fine-tuning. The defaults are the BabyLM 2025 evaluation pipeline's; batch and epochs are
// the task's own (finetune/classification_task.h) unless given.
#pragma once

#include <cstdint>

namespace bitmar {

struct FineTuneSettings {
  std::uint64_t seed = 42;
  std::uint32_t epochs = 0;  // 0: the task's
  std::uint32_t batch = 0;   // 0: the task's
  double learning_rate = 3e-5;
  double warmup_share = 0.06;          // of all steps
  double floor_ratio = 0.1;            // of the learning rate, at the end of the cosine
  double weight_decay = 0.01;          // of matrices
  double scale_learning_rate = 0.1;    // of the ternary scales, as a share of the others'
  double dropout = 0.1;                // in the classification head
  std::uint32_t maximum_tokens = 512;  // of an item, marks included
  std::uint64_t limit = 0;             // the first so many items of either file; 0: all
  bool memory = true;                  // false: a model with memory goes without
};

}  // namespace bitmar
