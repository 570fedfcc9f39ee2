#include "finetune/fine_tuner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "base/random.h"
#include "data/shuffle.h"
#include "pretrain/learner.h"
#include "pretrain/parameter_groups.h"

namespace bitmar {
namespace {

// Positions, padding included, that go through the model at once: rows of like length share them.
constexpr std::size_t kGroupTokens = 2048;
constexpr const char* kParameterPrefix = "classifier.";

// Decoder and vocabulary head take no part.
std::vector<ParameterGroup> trained_groups(TextClassifier& classifier, const FineTuneSettings& settings) {
  std::vector<ParameterGroup> groups =
      model_parameter_groups(classifier->model(), {.scale_learning_rate = settings.scale_learning_rate,
                                                   .state = StatePrecision::kFloat32,
                                                   .row_sparse_head = false});
  std::erase_if(groups, [](const ParameterGroup& group) { return group.name == "decoder" || group.name == "head"; });
  ParameterGroup matrices{.name = "classifier", .parameters = {}, .state = StatePrecision::kFloat32};
  ParameterGroup biases{
      .name = "classifier", .parameters = {}, .weight_decay = false, .state = StatePrecision::kFloat32};
  for (const auto& item : classifier->head()->named_parameters()) {
    (item.value().dim() == 2 ? matrices : biases).parameters.push_back({"head." + item.key(), item.value()});
  }
  groups.push_back(std::move(matrices));
  groups.push_back(std::move(biases));
  return groups;
}

std::vector<NamedParameter> parameters_of(const std::vector<ParameterGroup>& groups) {
  std::vector<NamedParameter> parameters;
  for (const ParameterGroup& group : groups) {
    parameters.insert(parameters.end(), group.parameters.begin(), group.parameters.end());
  }
  return parameters;
}

struct Rows {
  torch::Tensor tokens;  // int64 [rows, T]
  torch::Tensor mask;    // bool [rows, T]
  torch::Tensor labels;  // int64 [rows]
};

// The examples that `chosen` numbers, padded to the longest.
Rows make_rows(std::span<const ClassificationExample> examples, std::span<const std::uint32_t> chosen) {
  std::size_t longest = 0;
  for (const std::uint32_t index : chosen) longest = std::max(longest, examples[index].tokens.size());
  const auto rows = static_cast<std::int64_t>(chosen.size());
  const auto length = static_cast<std::int64_t>(longest);
  Rows result{torch::zeros({rows, length}, torch::kLong), torch::zeros({rows, length}, torch::kBool),
              torch::zeros({rows}, torch::kLong)};
  for (std::int64_t row = 0; row < rows; ++row) {
    const ClassificationExample& example = examples[chosen[static_cast<std::size_t>(row)]];
    std::ranges::copy(example.tokens, result.tokens.data_ptr<std::int64_t>() + row * length);
    std::fill_n(result.mask.data_ptr<bool>() + row * length, example.tokens.size(), true);
    result.labels.data_ptr<std::int64_t>()[row] = example.label;
  }
  return result;
}

// Sorts `chosen` by length and cuts it into groups of at most kGroupTokens positions (at least one row each).
std::vector<std::span<const std::uint32_t>> group_by_length(std::span<const ClassificationExample> examples,
                                                            std::span<std::uint32_t> chosen) {
  const auto length = [&](std::uint32_t index) { return examples[index].tokens.size(); };
  std::ranges::stable_sort(chosen, {}, length);
  std::vector<std::span<const std::uint32_t>> groups;
  for (std::size_t first = 0; first < chosen.size();) {
    std::size_t count = 1;
    while (first + count < chosen.size() && (count + 1) * length(chosen[first + count]) <= kGroupTokens) ++count;
    groups.push_back(chosen.subspan(first, count));
    first += count;
  }
  return groups;
}

}  // namespace

FineTuner::FineTuner(const ModelConfig& config, const ClassificationTask& task, const FineTuneSettings& settings,
                     std::vector<ClassificationExample> training)
    : settings_(settings),
      training_(std::move(training)),
      batch_(std::min<std::uint64_t>(settings.batch > 0 ? settings.batch : task.batch, training_.size())),
      schedule_{.kind = ScheduleKind::kCosine, .peak = settings.learning_rate, .floor_ratio = settings.floor_ratio},
      classifier_([&] {
        torch::manual_seed(settings.seed);
        ModelConfig used = config;
        used.memory = config.memory && settings.memory;
        return TextClassifier(used, task.classes, settings.dropout);
      }()),
      trained_(parameters_of(trained_groups(classifier_, settings))),
      optimizer_(trained_groups(classifier_, settings),
                 {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = settings.weight_decay}) {
  set_gradient_products(*classifier_->model(), GradientProducts::kBFloat16);
  schedule_.total_steps = steps_per_epoch() * (settings.epochs > 0 ? settings.epochs : task.epochs);
  schedule_.warmup_steps =
      static_cast<std::uint64_t>(settings.warmup_share * static_cast<double>(schedule_.total_steps));
}

Result<void> FineTuner::initialise(const Checkpoint& checkpoint) {
  return load_module(*classifier_->model(), checkpoint, "model.");
}

FineTuneStep FineTuner::step() {
  classifier_->train();
  const std::uint64_t place = steps_ % steps_per_epoch();
  if (place == 0 || order_.empty()) {
    order_.resize(training_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    Random random((settings_.seed << 32) ^ (steps_ / steps_per_epoch()));
    shuffle(std::span(order_), random);
  }
  std::vector<std::uint32_t> chosen(batch_);
  std::copy_n(order_.begin() + static_cast<std::ptrdiff_t>(place * batch_), batch_, chosen.begin());

  FineTuneStep report;
  for (const auto group : group_by_length(training_, chosen)) {
    const Rows rows = make_rows(training_, group);
    const auto logits = classifier_->forward(rows.tokens, rows.mask);
    const auto loss =
        torch::cross_entropy_loss(logits, rows.labels, {}, at::Reduction::Sum) / static_cast<double>(batch_);
    loss.backward();
    report.loss += loss.item<double>();
    for (const std::uint32_t index : group) report.tokens += training_[index].tokens.size();
  }
  report.gradient_norm = optimizer_.clip_gradients(0.0);  // the pipeline does not clip
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) {
    throw std::runtime_error(
        fmt::format("step {}: the loss ({}) or its gradient's norm ({}) is not finite; expected a lower learning rate",
                    steps_ + 1, report.loss, report.gradient_norm));
  }
  report.learning_rate = learning_rate(schedule_, steps_);
  optimizer_.step(report.learning_rate);
  keep_scales_positive(*classifier_);
  optimizer_.zero_gradients();
  ++steps_;
  if (steps_ % steps_per_epoch() == 0) optimizer_.apply_pending_decay();
  return report;
}

std::vector<std::uint32_t> FineTuner::predict(std::span<const ClassificationExample> examples) {
  const torch::NoGradGuard no_gradient;
  classifier_->eval();
  std::vector<std::uint32_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0u);
  std::vector<std::uint32_t> labels(examples.size());
  for (const auto group : group_by_length(examples, order)) {
    const Rows rows = make_rows(examples, group);
    const auto chosen = classifier_->forward(rows.tokens, rows.mask).argmax(1);
    for (std::size_t i = 0; i < group.size(); ++i) {
      labels[group[i]] = static_cast<std::uint32_t>(chosen.data_ptr<std::int64_t>()[i]);
    }
  }
  return labels;
}

void FineTuner::save(Checkpoint& checkpoint) const {
  checkpoint.step = steps_;
  for (const NamedParameter& parameter : trained_) {
    checkpoint.tensors.emplace_back(kParameterPrefix + parameter.name, parameter.value.detach());
  }
  checkpoint.add("optimizer.", optimizer_.state());
  checkpoint.add("random.", torch_random_state());
}

Result<void> FineTuner::restore(const Checkpoint& checkpoint) {
  const torch::NoGradGuard no_gradient;
  for (NamedParameter& parameter : trained_) {
    BITMAR_TRY(const torch::Tensor stored, checkpoint.tensor(kParameterPrefix + parameter.name));
    if (stored.sizes() != parameter.value.sizes()) {
      return fail(ErrorCode::kInvalidFile, "checkpoint: tensor '{}{}' has another shape", kParameterPrefix,
                  parameter.name);
    }
    parameter.value.copy_(stored);
  }
  optimizer_.load_state(checkpoint.with_prefix("optimizer."));
  restore_torch_random_state(checkpoint.with_prefix("random."));
  steps_ = checkpoint.step;
  order_.clear();
  return {};
}

}  // namespace bitmar
