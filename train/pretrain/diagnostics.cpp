#include "pretrain/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <vector>

namespace bitmar {
namespace {

constexpr double kUsedSlot = 0.1;  // a slot counts as used from this usage on
constexpr std::int64_t kMapSide = 64;

std::span<const float> values_of(const torch::Tensor& contiguous) {
  return {contiguous.const_data_ptr<float>(), static_cast<std::size_t>(contiguous.numel())};
}

torch::Tensor plain(const torch::Tensor& values) {
  return values.detach().to(torch::kCPU, torch::kFloat32).contiguous();
}

// values [height, width], cut to a readable size.
void log_map(std::string_view tag, const torch::Tensor& values, RunLog& log) {
  const auto map =
      plain(values.narrow(0, 0, std::min(values.size(0), kMapSide)).narrow(1, 0, std::min(values.size(1), kMapSide)));
  log.heat_map(tag, values_of(map), static_cast<std::uint32_t>(map.size(0)), static_cast<std::uint32_t>(map.size(1)));
}

void log_memory(EpisodicMemory& memory, const torch::Tensor& mean_attention, RunLog& log) {
  const auto attention = plain(mean_attention);
  const auto usage = plain(memory->usage());
  const double entropy = -(attention * attention.clamp_min(1e-20).log()).sum().item<double>();
  log.scalar("memory/effective_slots", std::exp(entropy));
  log.scalar("memory/largest_attention", attention.max().item<double>());
  log.scalar("memory/utilisation", usage.gt(kUsedSlot).to(torch::kFloat32).mean().item<double>());
  log.scalar("memory/mean_usage", usage.mean().item<double>());
  log.scalar("memory/slot_norm", memory->slots().norm(2, 1).mean().item<double>());
  const auto shares = usage / usage.sum().clamp_min(1e-20);
  log.scalar("memory/usage_entropy", -(shares * shares.clamp_min(1e-20).log()).sum().item<double>());  // nats
  log.vector("memory/slot_usage", values_of(usage));
  log.vector("memory/slot_activation", values_of(attention));
  log.histogram("memory/usage", values_of(usage));
  log.histogram("memory/attention", values_of(attention));
  // The slots as a picture, row by row.
  const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(attention.numel())));
  const std::int64_t rows = attention.numel() / side;
  log_map("memory/slot_activation", attention.narrow(0, 0, rows * side).view({rows, side}), log);
}

}  // namespace

void log_gradient_norms(const std::map<std::string, double>& norms, RunLog& log) {
  for (const auto& [part, norm] : norms) log.scalar("gradient_norm/" + part, norm);
}

void log_quantization(BitmarModel& model, RunLog& log) {
  double zeros = 0;
  double weights = 0;
  for (const auto& [name, layer] : model->ternary_layers()) {
    const double fraction = layer->zero_fraction();
    const auto count = static_cast<double>(layer->weight.numel());
    zeros += fraction * count;
    weights += count;
    log.scalar("zeros/" + name, fraction);
    log.scalar("scale/" + name, layer->scale.item<double>());
  }
  log.scalar("zeros/overall", zeros / weights);
}

void log_activations(BitmarModel& model, ContrastiveLoss& contrast, const BatchTensors& batch, RunLog& log) {
  const torch::NoGradGuard no_grad;
  const bool training = model->is_training();
  model->eval();
  AttentionMaps maps;
  const ModelOutput output = model->forward(batch.input, {.checkpoint_activations = false, .maps = &maps});
  model->train(training);
  const auto log_layers = [&](const char* stack, const std::vector<torch::Tensor>& layers) {
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      log_map(fmt::format("attention/{}.{}", stack, layer), layers[layer][0].mean(0), log);
    }
  };
  log_layers("encoder", maps.encoder);
  log_layers("decoder", maps.decoder);
  log_map("attention/fusion", maps.fusion[0].mean(0), log);
  log.scalar("attention/fusion_null", maps.fusion.select(3, 0).mean().item<double>());
  if (model->memory()) {
    log_memory(model->memory(), output.memory.mean_attention, log);
    for (const auto& item : model->named_parameters()) {
      if (item.key().ends_with("memory_gate")) log.scalar("gate/" + item.key(), item.value().tanh().item<double>());
      if (item.key().ends_with("read_sharpness")) {
        log.scalar("memory/read_sharpness", torch::softplus(item.value()).item<double>());
      }
    }
  }
  if (output.vision.defined()) {
    const auto given = caption_pairs(output, batch);
    const auto pairs = contrast->forward(given.texts, given.images, given.identity);
    const auto best = torch::matmul(unit_rows(given.texts), unit_rows(given.images).t()).argmax(1);
    const auto hit = given.identity.index_select(0, best).eq(given.identity).to(torch::kFloat32).mean();
    log.scalar("alignment/cosine", pairs.cosine.item<double>());
    log.scalar("alignment/text_to_image_recall_at_1", hit.item<double>());
    log.scalar("alignment/temperature", contrast->temperature());
  }
}

double step_flops(const ModelConfig& config, const StepShape& shape) {
  const double d = config.width;
  const double positions = static_cast<double>(shape.positions);
  const double layers = config.encoder_layers + config.decoder_layers;
  const double layer = 4.0 * d * d + 2.0 * d * config.ffn_hidden;
  const double attention = static_cast<double>(shape.length + 1) / 2.0 * 2.0 * d;  // scores and values, causal
  double products = positions * layers * (layer + attention);
  const double patches = static_cast<double>(shape.patches);
  products += positions * (2.0 * d * d + (1.0 + patches) * 2.0 * d);  // fusion's queries and output
  const double keys = static_cast<double>(shape.images) * patches;
  products +=
      keys * (config.vision_width * static_cast<double>(config.compression_hidden) + config.compression_hidden * d);
  products += keys * 2.0 * d * d;
  products += positions * (config.memory ? 2.0 : 1.0) * d * d;  // the decoder's input
  if (config.memory) products += positions * (2.0 * config.memory_slots * d + config.decoder_layers * d * d);
  products += static_cast<double>(shape.targets) * static_cast<double>(shape.columns) * d;
  return 3.0 * 2.0 * products;
}

}  // namespace bitmar
