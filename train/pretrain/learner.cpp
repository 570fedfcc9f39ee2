#include "pretrain/learner.h"

#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "nn/autocast.h"
#include "nn/tensor_spans.h"
#include "nn/upload.h"
#include "objective/ternary_vocabulary_loss.h"
#include "pretrain/diagnostics.h"
#include "pretrain/parameter_groups.h"

namespace bitmar {
namespace {

constexpr const char* kHeadWeight = "output.weight";
constexpr const char* kVisionWeight = "vision.compression.0.weight";
// What DeferredSums number; a stream's language loss follows, in the streams' order.
enum Deferred : std::size_t { kLanguage, kContrast, kCosine, kConsistency, kTotal, kFirstStream };

constexpr std::uint64_t kColumnMultiple = 256;  // of the sampled head: a new shape of product costs time

double lap_seconds(Stopwatch& watch) {
  return watch.lap() * 1e-6;
}

AdamW make_optimizer(BitmarModel& model, ContrastiveLoss& contrast, const PretrainSettings& settings) {
  const GroupSettings groups{.scale_learning_rate = settings.train.scale_learning_rate,
                             .sharpness_learning_rate = settings.train.sharpness_learning_rate,
                             .state = settings.optimizer.state,
                             .row_sparse_head = settings.objective.sampled_core > 0};
  return AdamW(parameter_groups(model, contrast, groups), settings.optimizer.adamw);
}

std::string part_name(const std::string& parameter) {
  return parameter.substr(0, parameter.find('.'));
}

// A model that sees more of a photo than the one it starts from does not use it yet: the further columns are 0.
void widen_vision(const BitmarModel& model, Checkpoint& weights) {
  const torch::Tensor wanted = model->named_parameters()[kVisionWeight];
  for (auto& [name, stored] : weights.tensors) {
    if (name != std::string("model.") + kVisionWeight || stored.dim() != 2 || stored.size(0) != wanted.size(0))
      continue;
    if (stored.size(1) >= wanted.size(1)) continue;
    stored = torch::constant_pad_nd(stored, {0, wanted.size(1) - stored.size(1)});
  }
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
  const torch::Tensor weights = batch.practice ? batch.practice->weights : torch::Tensor();
  BitLinear& head = model_->output();
  if (!sampler_) {
    return ternary_vocabulary_loss(real, head->weight, head->scale, batch.targets,
                                   {.token_weights = weights, .column_offsets = {}, .chunk_tokens = chunk},
                                   head->gradient_products);
  }
  Random random(batch_seed());
  const SampledColumns columns = sampler_->draw(batch.host_targets, random);
  head_rows_ = upload(columns.rows, device_);
  head_values_ = head->weight.detach().index_select(0, head_rows_).requires_grad_();
  return ternary_vocabulary_loss(
      real, head_values_, head->scale, upload(columns.targets, device_),
      {.token_weights = weights, .column_offsets = upload(columns.log_weights, device_), .chunk_tokens = chunk},
      head->gradient_products);
}

double Learner::contrast_share(std::uint32_t stream) const {
  const auto& streams = settings_.data.train;
  return stream < streams.size() ? streams[stream].contrast : 1.0;  // a made-up batch is of no stream
}

void Learner::collect_head_rows() {
  if (!head_rows_.defined()) return;
  optimizer_.add_row_gradient(kHeadWeight, head_rows_, head_values_.grad());
  head_rows_.reset();
  head_values_.reset();
}

void Learner::accumulate(const BatchTensors& batch, double contrast_factor) {
  model_->train();
  torch::manual_seed(batch_seed());  // dropout
  const auto& objective = settings_.objective;
  torch::Tensor total;
  ModelOutput output;
  Stopwatch watch;
  {
    const AutocastScope autocast(device_.is_cpu() ? Autocast::kOff : settings_.train.autocast, device_);
    output = model_->forward(batch.input,
                             {.checkpoint_activations = settings_.train.checkpoint_activations, .maps = nullptr});
  }
  sums_.seconds.forward += lap_seconds(watch);
  const auto language = language_loss(output.hidden, batch);
  total = batch.practice ? objective.reward * language : language;
  const double contrast = objective.contrast * contrast_factor * contrast_share(batch.stream);
  if (output.vision.defined() && !batch.practice && contrast > 0) {
    const auto given = caption_pairs(output, batch);
    const auto pairs = contrast_->forward(given.texts, given.images, given.identity);
    total = total + contrast * pairs.loss;
    deferred_.add(kContrast, pairs.loss);
    deferred_.add(kCosine, pairs.cosine);
    ++paired_batches_;
  }
  if (model_->memory()) {
    total = total + objective.memory * output.memory.consistency;
    deferred_.add(kConsistency, output.memory.consistency);
    const auto slots = output.memory.next_slots.detach();
    next_slots_ = next_slots_.defined() ? next_slots_ + slots : slots;
    next_usage_ = next_usage_.defined() ? next_usage_ + output.memory.next_usage : output.memory.next_usage;
  }
  if (sums_.streams.size() <= batch.stream) sums_.streams.resize(batch.stream + 1);
  StreamLoss& stream = sums_.streams[batch.stream];
  if (batch.practice) {
    reward_sum_ += batch.practice->reward;
    stream.reward += batch.practice->reward;
    ++practice_batches_;
  } else {
    deferred_.add(kLanguage, language);
    deferred_.add(kFirstStream + batch.stream, language);
  }
  ++stream.batches;
  deferred_.add(kTotal, total);
  sums_.tokens += batch.targets.size(0);
  ++batches_;
  ++draws_;
  sums_.flops += step_flops(settings_.model,
                            {.positions = batch.input.tokens.numel(),
                             .length = batch.input.tokens.size(2),
                             .images = output.vision.defined() ? output.vision.size(0) : 0,
                             .patches = output.vision.defined() ? output.vision.size(1) : 0,
                             .targets = batch.targets.size(0),
                             .columns = head_rows_.defined() ? head_rows_.size(0) : model_->output()->weight.size(0)});
  sums_.seconds.loss += lap_seconds(watch);
  (total * (scaler_.scale() / settings_.train.accumulation)).backward();
  collect_head_rows();
  optimizer_.collect_row_gradients();
  sums_.seconds.backward += lap_seconds(watch);
}

void Learner::fetch_sums() {
  std::vector<double> sums = deferred_.take();
  sums.resize(kFirstStream + sums_.streams.size());
  language_sum_ += sums[kLanguage];
  sums_.contrast += sums[kContrast];
  cosine_sum_ += sums[kCosine];
  sums_.consistency += sums[kConsistency];
  sums_.total += sums[kTotal];
  for (std::size_t i = 0; i < sums_.streams.size(); ++i) sums_.streams[i].language += sums[kFirstStream + i];
}

void Learner::exchange(Communicator& communicator) {
  if (communicator.size() == 1) return;
  fetch_sums();
  const torch::Tensor marks = optimizer_.gradient_marks();
  communicator.maximum(mutable_values<std::uint8_t>(marks));

  // One message: gradients, and the memory's next state.
  const torch::Tensor gradients = optimizer_.pack_gradients(marks);
  std::vector<torch::Tensor> parts = {gradients};
  if (model_->memory()) {
    if (!next_slots_.defined()) next_slots_ = torch::zeros_like(model_->memory()->slots());
    if (!next_usage_.defined()) next_usage_ = torch::zeros_like(model_->memory()->usage());
    parts.insert(parts.end(), {next_slots_.flatten().cpu(), next_usage_.cpu()});
  }
  const torch::Tensor message = torch::cat(parts);
  communicator.sum(mutable_values<float>(message));
  optimizer_.unpack_gradients(marks, message.narrow(0, 0, gradients.numel()));
  if (model_->memory()) {
    const auto memory = message.narrow(0, gradients.numel(), next_slots_.numel() + next_usage_.numel());
    next_slots_ = memory.narrow(0, 0, next_slots_.numel()).view_as(next_slots_).to(device_);
    next_usage_ = memory.narrow(0, next_slots_.numel(), next_usage_.numel()).to(device_);
  }

  std::vector<double> sums = {language_sum_,
                              reward_sum_,
                              sums_.contrast,
                              sums_.consistency,
                              sums_.total,
                              sums_.flops,
                              cosine_sum_,
                              static_cast<double>(sums_.tokens),
                              static_cast<double>(batches_),
                              static_cast<double>(paired_batches_),
                              static_cast<double>(practice_batches_)};
  const std::size_t first_stream = sums.size();
  sums_.streams.resize(settings_.data.train.size());
  for (const StreamLoss& stream : sums_.streams) {
    sums.insert(sums.end(), {stream.language, stream.reward, static_cast<double>(stream.batches)});
  }
  communicator.sum(std::span<double>(sums));
  language_sum_ = sums[0];
  reward_sum_ = sums[1];
  sums_.contrast = sums[2];
  sums_.consistency = sums[3];
  sums_.total = sums[4];
  sums_.flops = sums[5];
  cosine_sum_ = sums[6];
  sums_.tokens = static_cast<std::int64_t>(sums[7]);
  batches_ = static_cast<std::uint32_t>(sums[8]);
  paired_batches_ = static_cast<std::uint32_t>(sums[9]);
  practice_batches_ = static_cast<std::uint32_t>(sums[10]);
  for (std::size_t i = 0; i < sums_.streams.size(); ++i) {
    const auto sum = std::span(sums).subspan(first_stream + 3 * i, 3);
    sums_.streams[i] = {sum[0], sum[1], static_cast<std::uint32_t>(sum[2])};
  }
}

void Learner::commit_memory() {
  if (!next_slots_.defined()) return;
  MemoryPass pass;
  pass.next_slots = next_slots_ / static_cast<double>(batches_);
  pass.next_usage = next_usage_ / static_cast<double>(batches_);
  model_->memory()->commit(pass);
}

StepOutcome Learner::apply(double learning_rate) {
  Stopwatch watch;
  if (scaler_.scale() != 1.0) optimizer_.scale_gradients(1.0 / scaler_.scale());
  const double gradient_norm = optimizer_.clip_gradients(settings_.optimizer.clip_norm);
  fetch_sums();
  StepOutcome outcome = sums_;
  outcome.gradient_norm = gradient_norm;
  outcome.applied = scaler_.update(std::isfinite(outcome.gradient_norm));
  if (outcome.applied) {
    optimizer_.step(learning_rate);
    keep_scales_positive(*model_);
    contrast_->keep_temperature_above_floor();
    commit_memory();
  }
  optimizer_.zero_gradients();
  const double batches = batches_;
  if (batches_ > practice_batches_) outcome.language = language_sum_ / (batches_ - practice_batches_);
  if (practice_batches_ > 0) outcome.reward = reward_sum_ / practice_batches_;
  outcome.total /= batches;
  outcome.consistency /= batches;
  for (StreamLoss& stream : outcome.streams) {
    if (stream.batches == 0) continue;
    stream.language /= stream.batches;
    stream.reward /= stream.batches;
  }
  if (paired_batches_ > 0) {
    outcome.contrast /= paired_batches_;
    outcome.cosine = cosine_sum_ / paired_batches_;
  }
  sums_ = {};
  batches_ = paired_batches_ = practice_batches_ = 0;
  language_sum_ = reward_sum_ = cosine_sum_ = 0;
  next_slots_.reset();
  next_usage_.reset();
  outcome.seconds.optimizer = lap_seconds(watch);
  return outcome;
}

std::map<std::string, double> Learner::gradient_norms() {
  std::map<std::string, double> norms;
  for (const auto& [name, norm] : optimizer_.gradient_norms()) {
    double& part = norms[part_name(name)];
    part = std::hypot(part, norm / scaler_.scale());
  }
  return norms;
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

Result<void> Learner::load_weights(const Checkpoint& checkpoint) {
  BITMAR_TRY_VOID(load_module(*model_, checkpoint, "model."));
  return load_module(*contrast_, checkpoint, "contrast.");
}

Result<void> Learner::initialise(Checkpoint checkpoint) {
  widen_vision(model_, checkpoint);
  return load_weights(checkpoint);
}

Result<void> Learner::initialise(const BitmarModel& deployed) {
  Checkpoint weights;
  save_module(*deployed, weights, "model.");
  widen_vision(model_, weights);
  return load_module(*model_, weights, "model.");
}

Result<void> Learner::restore(const Checkpoint& checkpoint) {
  BITMAR_TRY_VOID(load_weights(checkpoint));
  optimizer_.load_state(checkpoint.with_prefix("optimizer."));
  BITMAR_TRY(const torch::Tensor scaler, checkpoint.tensor("learner.loss_scale"));
  scaler_.restore({scaler[0].item<double>(), static_cast<std::uint32_t>(scaler[1].item<double>())});
  BITMAR_TRY(const torch::Tensor draws, checkpoint.tensor("learner.draws"));
  draws_ = static_cast<std::uint64_t>(draws[0].item<std::int64_t>());
  return {};
}

}  // namespace bitmar
