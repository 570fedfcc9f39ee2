#include "pretrain/learner.h"

#include <cmath>
#include <utility>

#include "objective/ternary_vocabulary_loss.h"
#include "pretrain/autocast.h"
#include "pretrain/diagnostics.h"
#include "pretrain/parameter_groups.h"

namespace bitmar {
namespace {

constexpr const char* kHeadWeight = "output.weight";
constexpr std::uint64_t kColumnMultiple = 256;  // of the sampled head: a new shape of product costs time

AdamW make_optimizer(BitmarModel& model, ContrastiveLoss& contrast, const PretrainSettings& settings) {
  const GroupSettings groups{.scale_learning_rate = settings.train.scale_learning_rate,
                             .state = settings.optimizer.state,
                             .row_sparse_head = settings.objective.sampled_core > 0};
  return AdamW(parameter_groups(model, contrast, groups), settings.optimizer.adamw);
}

std::string part_name(const std::string& parameter) {
  return parameter.substr(0, parameter.find('.'));
}

}  // namespace

Learner::Learner(const PretrainSettings& settings, torch::Device device, const std::vector<std::uint64_t>& token_counts)
    : settings_(settings),
      device_(device),
      model_(settings.model, settings.train.vision_dropout),
      contrast_(),
      optimizer_([&] {
        model_->to(device);
        contrast_->to(device);
        return make_optimizer(model_, contrast_, settings);
      }()),
      scaler_(settings.train.autocast == Autocast::kFloat16) {
  if (device.is_cpu() && settings.train.autocast == Autocast::kBFloat16) {
    set_gradient_products(*model_, GradientProducts::kBFloat16);
  }
  const auto& objective = settings.objective;
  if (objective.sampled_core > 0) {
    sampler_.emplace(token_counts, objective.sampled_core, objective.sampled_negatives, kColumnMultiple);
  }
}

torch::Tensor Learner::language_loss(const torch::Tensor& hidden, const BatchTensors& batch) {
  const auto real = hidden.reshape({-1, hidden.size(-1)}).index_select(0, batch.places).to(torch::kFloat32);
  const std::int64_t chunk = settings_.objective.chunk_tokens;
  BitLinear& head = model_->output();
  if (!sampler_) {
    return ternary_vocabulary_loss(real, head->weight, head->scale, batch.targets,
                                   {.column_offsets = {}, .chunk_tokens = chunk}, head->gradient_products);
  }
  Random random(settings_.train.seed * 0x9E3779B97F4A7C15u + draws_);
  const SampledColumns columns = sampler_->draw(batch.targets.cpu(), random);
  head_rows_ = columns.rows.to(device_);
  head_values_ = head->weight.detach().index_select(0, head_rows_).requires_grad_();
  return ternary_vocabulary_loss(real, head_values_, head->scale, columns.targets.to(device_),
                                 {.column_offsets = columns.log_weights.to(device_), .chunk_tokens = chunk},
                                 head->gradient_products);
}

void Learner::collect_head_rows() {
  if (!head_rows_.defined()) return;
  const auto gradient = head_values_.grad();
  head_square_ += gradient.square().sum().item<double>();
  optimizer_.add_row_gradient(kHeadWeight, head_rows_, gradient);
  head_rows_.reset();
  head_values_.reset();
}

double Learner::accumulate(const BatchTensors& batch, double contrast_factor) {
  model_->train();
  const auto& objective = settings_.objective;
  torch::Tensor total;
  ModelOutput output;
  {
    const AutocastScope autocast(device_.is_cpu() ? Autocast::kOff : settings_.train.autocast, device_);
    output = model_->forward(batch.input,
                             {.checkpoint_activations = settings_.train.checkpoint_activations, .maps = nullptr});
  }
  const auto language = language_loss(output.hidden, batch);
  total = language;
  if (output.vision.defined()) {
    const auto texts = masked_mean(output.states.select(1, 0).to(torch::kFloat32), batch.input.mask.select(1, 0));
    const auto pairs = contrast_->forward(texts, output.vision.to(torch::kFloat32).mean(1), batch.identity);
    total = total + objective.contrast * contrast_factor * pairs.loss;
    sums_.contrast += pairs.loss.item<double>();
    cosine_sum_ += pairs.cosine.item<double>();
    ++paired_batches_;
  }
  if (model_->memory()) {
    total = total + objective.memory * output.memory.consistency;
    sums_.consistency += output.memory.consistency.item<double>();
    const auto slots = output.memory.next_slots.detach();
    next_slots_ = next_slots_.defined() ? next_slots_ + slots : slots;
    next_usage_ = next_usage_.defined() ? next_usage_ + output.memory.next_usage : output.memory.next_usage;
  }
  const auto loss = language.item<double>();
  sums_.language += loss;
  sums_.total += total.item<double>();
  sums_.tokens += batch.targets.size(0);
  ++batches_;
  ++draws_;
  flops_ = step_flops(settings_.model,
                      {.positions = batch.input.tokens.numel(),
                       .length = batch.input.tokens.size(2),
                       .images = output.vision.defined() ? output.vision.size(0) : 0,
                       .patches = output.vision.defined() ? output.vision.size(1) : 0,
                       .targets = batch.targets.size(0),
                       .columns = head_rows_.defined() ? head_rows_.size(0) : model_->output()->weight.size(0)});
  (total * (scaler_.scale() / settings_.train.accumulation)).backward();
  collect_head_rows();
  return loss;
}

void Learner::commit_memory() {
  if (!next_slots_.defined()) return;
  MemoryPass pass;
  pass.next_slots = next_slots_ / static_cast<double>(batches_);
  pass.next_usage = next_usage_ / static_cast<double>(batches_);
  model_->memory()->commit(pass);
}

StepOutcome Learner::apply(double learning_rate) {
  if (scaler_.scale() != 1.0) optimizer_.scale_gradients(1.0 / scaler_.scale());
  StepOutcome outcome = sums_;
  outcome.gradient_norm = optimizer_.clip_gradients(settings_.optimizer.clip_norm);
  outcome.applied = scaler_.update(std::isfinite(outcome.gradient_norm));
  if (outcome.applied) {
    optimizer_.step(learning_rate);
    keep_scales_positive(*model_);
    commit_memory();
  }
  optimizer_.zero_gradients();
  const double batches = batches_;
  outcome.language /= batches;
  outcome.total /= batches;
  outcome.consistency /= batches;
  if (paired_batches_ > 0) {
    outcome.contrast /= paired_batches_;
    outcome.cosine = cosine_sum_ / paired_batches_;
  }
  sums_ = {};
  batches_ = paired_batches_ = 0;
  cosine_sum_ = head_square_ = 0;
  next_slots_.reset();
  next_usage_.reset();
  return outcome;
}

std::map<std::string, double> Learner::gradient_norms() const {
  std::map<std::string, double> squares;
  for (const auto& item : model_->named_parameters()) {
    auto gradient = item.value().grad();
    if (!gradient.defined()) continue;
    if (gradient.is_sparse()) gradient = gradient.coalesce().values();
    squares[part_name(item.key())] += gradient.square().sum().item<double>();
  }
  squares["output"] += head_square_;
  for (auto& [part, square] : squares) square = std::sqrt(square) / scaler_.scale();
  return squares;
}

void save_module(const torch::nn::Module& module, Checkpoint& checkpoint, const std::string& prefix) {
  for (const auto& item : module.named_parameters())
    checkpoint.tensors.emplace_back(prefix + item.key(), item.value().detach());
  for (const auto& item : module.named_buffers())
    checkpoint.tensors.emplace_back(prefix + item.key(), item.value().detach());
}

Result<void> load_module(torch::nn::Module& module, const Checkpoint& checkpoint, const std::string& prefix) {
  const torch::NoGradGuard no_grad;
  const auto load = [&](const std::string& name, torch::Tensor& value) -> Result<void> {
    BITMAR_TRY(const torch::Tensor stored, checkpoint.tensor(prefix + name));
    if (stored.sizes() != value.sizes()) {
      return fail(ErrorCode::kInvalidFile, "checkpoint tensor '{}{}' has another shape than this model's", prefix,
                  name);
    }
    value.copy_(stored);
    return {};
  };
  for (auto& item : module.named_parameters()) BITMAR_TRY_VOID(load(item.key(), item.value()));
  for (auto& item : module.named_buffers()) BITMAR_TRY_VOID(load(item.key(), item.value()));
  return {};
}

void Learner::save(Checkpoint& checkpoint) const {
  save_module(*model_, checkpoint, "model.");
  save_module(*contrast_, checkpoint, "contrast.");
  checkpoint.add("optimizer.", optimizer_.state());
  const auto scaler = scaler_.state();
  checkpoint.tensors.emplace_back(
      "learner.loss_scale", torch::tensor({scaler.scale, static_cast<double>(scaler.good_steps)}, torch::kFloat64));
  checkpoint.tensors.emplace_back("learner.draws", torch::tensor({static_cast<std::int64_t>(draws_)}, torch::kLong));
}

Result<void> Learner::initialise(const Checkpoint& checkpoint) {
  BITMAR_TRY_VOID(load_module(*model_, checkpoint, "model."));
  return load_module(*contrast_, checkpoint, "contrast.");
}

Result<void> Learner::initialise(const BitmarModel& deployed) {
  Checkpoint weights;
  save_module(*deployed, weights, "model.");
  return load_module(*model_, weights, "model.");
}

Result<void> Learner::restore(const Checkpoint& checkpoint) {
  BITMAR_TRY_VOID(initialise(checkpoint));
  optimizer_.load_state(checkpoint.with_prefix("optimizer."));
  BITMAR_TRY(const torch::Tensor scaler, checkpoint.tensor("learner.loss_scale"));
  scaler_.restore({scaler[0].item<double>(), static_cast<std::uint32_t>(scaler[1].item<double>())});
  BITMAR_TRY(const torch::Tensor draws, checkpoint.tensor("learner.draws"));
  draws_ = static_cast<std::uint64_t>(draws[0].item<std::int64_t>());
  return {};
}

}  // namespace bitmar
