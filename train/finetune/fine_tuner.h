// Trains a text classifier on one task's items. The course is a pure function of the items, the settings and the step,
// so that a restored tuner goes on exactly as the killed one would have.
//
//   FineTuner tuner(config, task, settings, training);
//   BITMAR_TRY_VOID(tuner.initialise(checkpoint));
//   while (!tuner.finished()) tuner.step();
//   const std::vector<std::uint32_t> labels = tuner.predict(validation);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "finetune/classification_data.h"
#include "finetune/classification_task.h"
#include "finetune/settings.h"
#include "finetune/text_classifier.h"
#include "optim/adamw.h"
#include "optim/schedule.h"
#include "torch_headers.h"

namespace bitmar {

struct FineTuneStep {
  double loss = 0;  // mean cross-entropy of the batch
  double learning_rate = 0;
  double gradient_norm = 0;
  std::uint64_t tokens = 0;
};

class FineTuner {
 public:
  // `training`: at least one item. Settings of 0 are the task's. Seeds torch's generator.
  FineTuner(const ModelConfig& config, const ClassificationTask& task, const FineTuneSettings& settings,
            std::vector<ClassificationExample> training);

  // Weights and memory of a pre-trained model, from a checkpoint of `train`.
  [[nodiscard]] Result<void> initialise(const Checkpoint& checkpoint);

  // One update on a batch. An epoch is a random order of the items without the last, incomplete batch. Throws
  // std::runtime_error where the loss or the gradient is not finite.
  FineTuneStep step();
  // The most likely label of each; dropout off.
  [[nodiscard]] std::vector<std::uint32_t> predict(std::span<const ClassificationExample> examples);

  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::uint64_t steps_per_epoch() const { return training_.size() / batch_; }
  [[nodiscard]] std::uint64_t total_steps() const { return schedule_.total_steps; }
  [[nodiscard]] bool finished() const { return steps_ >= total_steps(); }
  [[nodiscard]] std::uint64_t batch() const { return batch_; }

  // Everything that initialise() has not set or that training has changed.
  void save(Checkpoint& checkpoint) const;
  // After initialise() with the same model.
  [[nodiscard]] Result<void> restore(const Checkpoint& checkpoint);

 private:
  FineTuneSettings settings_;
  std::vector<ClassificationExample> training_;
  std::uint64_t batch_;
  ScheduleSettings schedule_;
  TextClassifier classifier_;
  std::vector<NamedParameter> trained_;
  AdamW optimizer_;
  std::vector<std::uint32_t> order_;  // of the epoch under way
  std::uint64_t steps_ = 0;
};

}  // namespace bitmar
