// What a run logs of its steps: means over all steps since the line before, so that no stream of a mixture stays unseen
// where its batches come in step with the logging.
//
//   averages.add(outcome);                        // every step
//   averages.log(*log_);                          // now and then; starts anew
#pragma once

#include <vector>

#include "base/result.h"
#include "log/run_log.h"
#include "pretrain/learner.h"
#include "pretrain/settings.h"
#include "torch_headers.h"

namespace bitmar {

class StepAverages {
 public:
  // Keeps a reference to the settings.
  explicit StepAverages(const PretrainSettings& settings);

  void add(const StepOutcome& outcome);
  // A stream's mean is over its batches, the others' over the steps that had the quantity; the gradient's norm is of
  // applied steps. What no step had is not logged. Then starts anew.
  void log(RunLog& log);

  // The sums of a line under way, FP64 [2 · quantities], for a checkpoint.
  [[nodiscard]] torch::Tensor state() const;
  // kInvalidFile where the state is of another number of streams.
  [[nodiscard]] Result<void> restore(const torch::Tensor& state);

 private:
  struct Mean {
    double sum = 0;
    double weight = 0;
    void add(double value, double count = 1) {
      sum += value * count;
      weight += count;
    }
  };
  enum Quantity : std::size_t {
    kTotal,
    kLanguage,
    kContrast,
    kCosine,
    kConsistency,
    kGradientNorm,
    kFlops,
    kQuantities
  };

  const PretrainSettings& settings_;
  std::vector<Mean> means_;  // kQuantities, then one of each stream: its loss, or the reward of captions of its own
};

}  // namespace bitmar
