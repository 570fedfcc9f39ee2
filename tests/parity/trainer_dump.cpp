// Runs the trainer on a small model for a few steps and writes everything an independent implementation needs to repeat
// it: the batches, and per step the parameters, the loss terms, all gradients and the memory.
//
//   trainer_dump OUTPUT.safetensors [add|concatenate] [mean|exponential] [on|off]
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "nn/bitmar_model.h"
#include "nn/fused_ops.h"
#include "objective/contrastive_loss.h"
#include "objective/vocabulary_loss.h"
#include "optim/adamw.h"
#include "pretrain/batch_tensors.h"
#include "pretrain/parameter_groups.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

constexpr std::int64_t kSteps = 10;
constexpr std::int64_t kRows = 4;
constexpr std::int64_t kSegments = 3;
constexpr std::int64_t kLength = 9;
constexpr std::int64_t kPatches = 16;
constexpr double kLearningRate = 2e-3;

ModelConfig small_config(std::string_view injection, std::string_view query, std::string_view memory) {
  ModelConfig config;
  config.vocabulary = 211;
  config.width = 32;
  config.heads = 4;
  config.ffn_hidden = 64;
  config.encoder_layers = 2;
  config.decoder_layers = 2;
  config.vision_width = 24;
  config.compression_hidden = 40;
  config.memory_slots = 24;
  config.memory_write_slots = 5;
  config.injection = injection == "concatenate" ? InjectionKind::kConcatenate : InjectionKind::kAdd;
  config.query = query == "exponential" ? QueryKind::kExponential : QueryKind::kMean;
  config.memory = memory != "off";
  return config;
}

// Rows 0..2 have photos (two of them the same), row 3 is text alone; segments end at different places, one is empty.
ModelInput make_input(const ModelConfig& config) {
  ModelInput input;
  input.tokens = torch::randint(0, config.vocabulary, {kRows, kSegments, kLength}, torch::kLong);
  auto lengths = torch::randint(1, kLength + 1, {kRows, kSegments, 1}, torch::kLong);
  lengths[0][0][0] = kLength;
  lengths[1][2][0] = 0;
  input.mask = torch::arange(kLength, torch::kLong).view({1, 1, kLength}).lt(lengths);
  input.features = torch::randn({3, kPatches, config.vision_width});
  input.features[2].copy_(input.features[0]);
  input.image_of_row = torch::tensor({std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{-1}});
  return input;
}

using Tensors = std::vector<std::pair<std::string, torch::Tensor>>;

void record(Tensors& tensors, std::string name, const torch::Tensor& value) {
  tensors.emplace_back(std::move(name), value.detach().to_dense().to(torch::kCPU).contiguous().clone());
}

int run(const std::string& path, const ModelConfig& config) {
  at::set_num_threads(1);
  torch::manual_seed(7);
  BitmarModel model(config, 0.0);
  ContrastiveLoss contrast;
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      if (item.key().ends_with("memory_gate")) item.value().fill_(0.3);
      if (item.key().ends_with("norm.weight")) item.value().uniform_(0.7, 1.3);
      if (item.key().ends_with("norm.bias")) item.value().uniform_(-0.2, 0.2);
    }
  }
  AdamW optimizer(
      parameter_groups(model, contrast,
                       {.scale_learning_rate = 0.1, .state = StatePrecision::kFloat32, .row_sparse_head = false}),
      {});

  Checkpoint dump;
  dump.texts["injection"] = config.injection == InjectionKind::kConcatenate ? "concatenate" : "add";
  dump.texts["query"] = config.query == QueryKind::kExponential ? "exponential" : "mean";
  dump.texts["memory"] = config.memory ? "on" : "off";
  const auto identity = torch::tensor({std::int64_t{4}, std::int64_t{9}, std::int64_t{4}});
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const std::string prefix = fmt::format("{}.", step);
    const ModelInput input = make_input(config);
    const auto targets = torch::randint(0, config.vocabulary, {kRows, kSegments, kLength}, torch::kLong);
    record(dump.tensors, prefix + "tokens", input.tokens);
    record(dump.tensors, prefix + "targets", targets);
    record(dump.tensors, prefix + "mask", input.mask.to(torch::kLong));
    record(dump.tensors, prefix + "features", input.features);
    for (const auto& item : model->named_parameters())
      record(dump.tensors, prefix + "value." + item.key(), item.value());
    for (const auto& item : model->named_buffers()) record(dump.tensors, prefix + "value." + item.key(), item.value());
    record(dump.tensors, prefix + "value.contrast.log_temperature", contrast->named_parameters()["log_temperature"]);

    const ModelOutput output = model->forward(input, {});
    const auto places = input.mask.reshape(-1).nonzero().squeeze(1);
    const auto hidden = output.hidden.reshape({-1, output.hidden.size(-1)}).index_select(0, places);
    const auto language =
        vocabulary_loss(fake_quantize_activations(hidden), model->output()->effective_weight(),
                        targets.reshape(-1).index_select(0, places), {.column_offsets = {}, .chunk_tokens = 17});
    BatchTensors batch;
    batch.input = input;
    batch.identity = identity;
    batch.captions = input.mask.narrow(0, 0, 3).any(2).flatten().nonzero().squeeze(1);
    batch.photos = torch::floor_divide(batch.captions, kSegments);
    const auto given = caption_pairs(output, batch);
    const auto pairs = contrast->forward(given.texts, given.images, given.identity);
    auto total = language + 1.5 * pairs.loss;
    if (config.memory) total = total + 0.1 * output.memory.consistency;
    total.backward();

    record(dump.tensors, prefix + "loss.language", language);
    record(dump.tensors, prefix + "loss.contrast", pairs.loss);
    record(dump.tensors, prefix + "loss.total", total);
    if (config.memory) {
      record(dump.tensors, prefix + "loss.memory", output.memory.consistency);
      record(dump.tensors, prefix + "next.slots", output.memory.next_slots);
      record(dump.tensors, prefix + "next.usage", output.memory.next_usage);
    }
    for (const auto& item : model->named_parameters()) {
      const auto gradient = item.value().grad();
      record(dump.tensors, prefix + "gradient." + item.key(),
             gradient.defined() ? gradient : torch::zeros_like(item.value()));
    }
    record(dump.tensors, prefix + "gradient.contrast.log_temperature",
           contrast->named_parameters()["log_temperature"].grad());
    optimizer.step(kLearningRate);
    optimizer.zero_gradients();
    if (config.memory) model->memory()->commit(output.memory);
  }
  if (const auto saved = save_checkpoint(path, dump); !saved) {
    fmt::print(stderr, "{}\n", saved.error().message);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace bitmar

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: trainer_dump OUTPUT.safetensors add|concatenate mean|exponential on|off\n");
    return 2;
  }
  return bitmar::run(argv[1], bitmar::small_config(argv[2], argv[3], argv[4]));
}
