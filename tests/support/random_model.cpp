#include "tests/support/random_model.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"

namespace bitmar::testing {
namespace {

std::vector<float> normals(std::size_t count, float mean, double deviation, Random& random) {
  std::vector<float> values(count);
  for (auto& value : values) value = mean + static_cast<float>(deviation * random.normal());
  return values;
}

std::vector<float> uniforms(std::size_t count, Random& random) {
  std::vector<float> values(count);
  for (auto& value : values) value = static_cast<float>(random.uniform());
  return values;
}

// Values of about the size that training gives them, so that every part of the model has a say in the logits.
std::vector<float> plausible_values(const TensorSpec& spec, Random& random) {
  const auto count = static_cast<std::size_t>(spec.elements());
  const bool norm = spec.name.find("norm") != std::string::npos;
  if (norm && spec.name.ends_with(".weight")) return normals(count, 1.0f, 0.2, random);
  if (norm) return normals(count, 0.0f, 0.1, random);
  if (spec.name == "memory.read_sharpness") return {2.0f};
  if (spec.name == "memory.usage") return uniforms(count, random);
  return normals(count, 0.0f, 1.0, random);
}

void add_tokenizer(const ModelConfig& config, GgufWriter& writer) {
  std::vector<std::uint16_t> ids;
  const std::uint32_t merges = config.vocabulary - 257;
  for (std::uint32_t i = 0; i < merges; ++i) {
    ids.push_back(static_cast<std::uint16_t>(i));
    ids.push_back(static_cast<std::uint16_t>(i + 1));
  }
  writer.add_tensor("tokenizer.merges", GgufType::kI16, {merges, 2}, std::as_bytes(std::span(ids)));
}

}  // namespace

ModelConfig small_config() {
  ModelConfig config;
  config.vocabulary = 260;
  config.width = 8;
  config.heads = 2;
  config.ffn_hidden = 12;
  config.encoder_layers = 2;
  config.decoder_layers = 2;
  config.sink_tokens = 2;
  config.window_tokens = 5;
  config.training_length = 7;
  config.vision_width = 6;
  config.compression_hidden = 10;
  config.memory_slots = 6;
  config.memory_write_slots = 2;
  return config;
}

VisionTowerConfig small_tower(std::uint32_t width) {
  VisionTowerConfig tower;
  tower.name = "small";
  tower.image_size = 16;
  tower.patch_size = 4;
  tower.width = width;
  tower.depth = 2;
  tower.heads = 2;
  tower.mlp_hidden = 2 * width;
  tower.precision = TowerPrecision::kTernary;
  tower.position_grid = 4;
  return tower;
}

std::vector<std::byte> random_model_file(const ModelConfig& config, std::uint64_t seed, OutputHead head) {
  Random random(seed);
  GgufWriter writer(kModelArchitecture);
  write_config(config, writer);
  TensorEncoder encoder(writer);
  for (const auto& spec : tensor_table(config)) {
    const auto count = static_cast<std::size_t>(spec.elements());
    if (spec.kind == TensorKind::kTernary) {
      std::vector<std::int8_t> codes(count);
      for (auto& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random.below(3)) - 1);
      if (spec.name == "output.weight" && head == OutputHead::kZero) std::ranges::fill(codes, std::int8_t{0});
      encoder.ternary(spec, codes, static_cast<float>(1.2 / std::sqrt(static_cast<double>(spec.shape[1]))));
    } else if (spec.kind == TensorKind::kInt8Rows) {
      const auto rows = static_cast<std::size_t>(spec.shape[0]);
      const std::vector<float> values = normals(count, 0.0f, 1.0, random);
      encoder.int8_rows(spec, quantize_int8_rows(values, rows, count / rows));
    } else {
      encoder.floats(spec, plausible_values(spec, random));
    }
  }
  encoder.finish();
  add_tokenizer(config, writer);
  return writer.serialize();
}

std::vector<std::uint32_t> random_tokens(const ModelConfig& config, std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::uint32_t> tokens(count);
  for (auto& token : tokens) token = static_cast<std::uint32_t>(random.below(config.vocabulary - 1));
  return tokens;
}

std::vector<float> random_features(const ModelConfig& config, std::size_t count, std::uint64_t seed) {
  Random random(seed);
  return normals(count * config.vision_width, 0.0f, 1.0, random);
}

}  // namespace bitmar::testing
