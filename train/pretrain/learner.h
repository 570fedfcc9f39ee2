// Model, objective and optimizer together: one call accumulates a batch's gradients, one applies them.
//
//   learner.accumulate(tensors, 1.0);   // or pass_over(), for a batch that another process computes
//   learner.exchange(communicator);
//   const StepOutcome outcome = learner.apply(learning_rate);
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "nn/bitmar_model.h"
#include "objective/contrastive_loss.h"
#include "objective/vocabulary_sampler.h"
#include "optim/adamw.h"
#include "optim/loss_scaler.h"
#include "parallel/communicator.h"
#include "pretrain/batch_tensors.h"
#include "pretrain/deferred_sums.h"
#include "pretrain/settings.h"
#include "torch_headers.h"

namespace bitmar {

// Where a step's time goes, in seconds, summed over its batches. With a GPU, where the host's goes: it waits for the
// step's computations in the optimizer's part alone.
struct PhaseSeconds {
  double forward = 0;    // up to the vocabulary head's input
  double loss = 0;       // the head with its gradients, contrast, memory
  double backward = 0;   // of all before the head
  double optimizer = 0;  // clipping, update, memory
};

// Averages over a stream's batches of a step.
struct StreamLoss {
  double language = 0;        // L_LM; 0 where the model drew its captions itself
  double reward = 0;          // of such captions
  std::uint32_t batches = 0;  // 0: the step had none of this stream
};

// Averages over a step's batches; contrast and cosine over those with a contrastive loss, language and reward over
// those without or with captions of the model's own.
struct StepOutcome {
  std::optional<double> language;  // L_LM
  std::optional<double> reward;
  double contrast = 0;     // L_NCE
  double consistency = 0;  // L_mem
  double total = 0;        // what the gradient is of
  std::optional<double> cosine;
  double gradient_norm = 0;         // before clipping
  bool applied = false;             // false: the gradients were not finite and the step was skipped
  std::int64_t tokens = 0;          // predicted tokens
  double flops = 0;                 // floating-point operations of the matrix products, in all
  std::vector<StreamLoss> streams;  // of settings.data.train, in its order
  PhaseSeconds seconds;
};

class Learner {
 public:
  // `token_counts` [vocabulary]: for the sampled vocabulary; unused without it.
  Learner(const PretrainSettings& settings, torch::Device device, const std::vector<std::uint64_t>& token_counts);

  // Forward and backward of one of the step's batches; contrast_factor multiplies lambda_x. What it draws at random
  // depends on the seed and on the batch's number since the run began.
  void accumulate(const BatchTensors& batch, double contrast_factor);
  // Of the next batch: what is drawn at random for it, on whichever process.
  [[nodiscard]] std::uint64_t batch_seed() const { return settings_.train.seed * 0x9E3779B97F4A7C15u + draws_; }
  // In place of accumulate(), for a batch of the step that another process computes.
  void pass_over() { ++draws_; }
  // After the step's batches: adds up what the processes accumulated, so that all of them apply the same step.
  void exchange(Communicator& communicator);
  // Clips, updates parameters and memory, and starts the next step.
  StepOutcome apply(double learning_rate);

  // L2 norms of the accumulated gradients by part ("text-encoder", "head", …), before clipping and unscaled.
  [[nodiscard]] std::map<std::string, double> gradient_norms();

  BitmarModel& model() { return model_; }
  ContrastiveLoss& contrast() { return contrast_; }
  AdamW& optimizer() { return optimizer_; }

  void save(Checkpoint& checkpoint) const;
  [[nodiscard]] Result<void> restore(const Checkpoint& checkpoint);
  // Weights and memory only, from another run; its vision_width may be smaller, and what is new is then not used yet.
  [[nodiscard]] Result<void> initialise(Checkpoint checkpoint);
  // The same from a deployed file's model (load_exported_model); the contrastive temperature starts anew.
  [[nodiscard]] Result<void> initialise(const BitmarModel& deployed);

 private:
  Result<void> load_weights(const Checkpoint& checkpoint);
  torch::Tensor language_loss(const torch::Tensor& hidden, const BatchTensors& batch);
  [[nodiscard]] double contrast_share(std::uint32_t stream) const;
  void collect_head_rows();
  void fetch_sums();
  void commit_memory();

  PretrainSettings settings_;
  torch::Device device_;
  BitmarModel model_;
  ContrastiveLoss contrast_;
  AdamW optimizer_;
  LossScaler scaler_;
  std::optional<VocabularySampler> sampler_;

  // Of the step under way.
  std::uint64_t draws_ = 0;  // batches since the run began, other processes' included
  std::uint32_t batches_ = 0, paired_batches_ = 0, practice_batches_ = 0;
  StepOutcome sums_;
  DeferredSums deferred_;  // of `sums_` and the three below, what the device still has
  double language_sum_ = 0, reward_sum_ = 0, cosine_sum_ = 0;
  torch::Tensor next_slots_, next_usage_;  // sums over the batches
  torch::Tensor head_rows_, head_values_;  // the batch's sampled columns and the leaf that stands for them
};

// A model's tensors from a checkpoint's "model." entries, by name and shape.
[[nodiscard]] Result<void> load_module(torch::nn::Module& module, const Checkpoint& checkpoint,
                                       const std::string& prefix);
void save_module(const torch::nn::Module& module, Checkpoint& checkpoint, const std::string& prefix);

}  // namespace bitmar
