#include "pretrain/step_averages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "nn/tensor_spans.h"

namespace bitmar {

StepAverages::StepAverages(const PretrainSettings& settings)
    : settings_(settings), means_(kQuantities + settings.data.train.size()) {}

void StepAverages::add(const StepOutcome& outcome) {
  means_[kTotal].add(outcome.total);
  if (outcome.language) means_[kLanguage].add(*outcome.language);
  if (outcome.cosine) {
    means_[kContrast].add(outcome.contrast);
    means_[kCosine].add(*outcome.cosine);
  }
  if (settings_.model.memory) means_[kConsistency].add(outcome.consistency);
  if (outcome.applied) means_[kGradientNorm].add(outcome.gradient_norm);
  means_[kFlops].add(outcome.flops);
  for (std::size_t i = 0; i < outcome.streams.size(); ++i) {
    const StreamLoss& stream = outcome.streams[i];
    means_[kQuantities + i].add(stream.language + stream.reward, stream.batches);  // one of the two is 0
  }
}

void StepAverages::log(RunLog& log) {
  constexpr std::array<const char*, kQuantities> kTags = {
      "loss/total",  "loss/language",       "loss/contrast",       "alignment/batch_cosine",
      "loss/memory", "train/gradient_norm", "train/flops_per_step"};
  const auto write = [&](std::string_view tag, const Mean& mean) {
    if (mean.weight > 0) log.scalar(tag, mean.sum / mean.weight);
  };
  for (std::size_t i = 0; i < kQuantities; ++i) write(kTags[i], means_[i]);
  for (std::size_t i = 0; i < settings_.data.train.size(); ++i) {
    const StreamSettings& stream = settings_.data.train[i];
    write(fmt::format("stream/{}/{}", stream.name, stream.samples > 0 ? "reward" : "loss"), means_[kQuantities + i]);
  }
  std::ranges::fill(means_, Mean{});
}

torch::Tensor StepAverages::state() const {
  std::vector<double> numbers;
  for (const Mean& mean : means_) numbers.insert(numbers.end(), {mean.sum, mean.weight});
  return torch::tensor(numbers, torch::kFloat64);
}

Result<void> StepAverages::restore(const torch::Tensor& state) {
  if (state.scalar_type() != torch::kFloat64 || state.numel() != static_cast<std::int64_t>(2 * means_.size())) {
    return fail(ErrorCode::kInvalidFile, "checkpoint: tensor 'run.averages' is not of {} FP64 numbers",
                2 * means_.size());
  }
  const torch::Tensor numbers = state.contiguous();
  const auto pairs = values<double>(numbers);
  for (std::size_t i = 0; i < means_.size(); ++i) means_[i] = {pairs[2 * i], pairs[2 * i + 1]};
  return {};
}

}  // namespace bitmar
