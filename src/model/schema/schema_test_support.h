// Small models of random numbers for the tests of schema, loader and hostile files; no part of the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"

namespace bitmar::testing {

// Every kind of tensor and every option that adds one, in a few kilobytes.
inline ModelConfig tiny_config() {
  ModelConfig config;
  config.vocabulary = 11;
  config.width = 4;
  config.heads = 2;
  config.ffn_hidden = 6;
  config.encoder_layers = 1;
  config.decoder_layers = 1;
  config.window_tokens = 12;
  config.training_length = 16;
  config.vision_width = 4;
  config.compression_hidden = 5;
  config.memory_slots = 3;
  config.memory_write_slots = 2;
  config.query = QueryKind::kExponential;
  auto& tower = config.tower.emplace();
  tower.name = "tiny";
  tower.image_size = 4;
  tower.patch_size = 2;
  tower.width = 4;
  tower.depth = 1;
  tower.heads = 2;
  tower.mlp_hidden = 3;
  tower.mlp = TowerMlp::kSwiGlu;
  tower.precision = TowerPrecision::kTernary;
  tower.layer_scale = true;
  tower.register_tokens = 1;
  tower.position_grid = 2;
  return config;
}

inline std::vector<float> random_floats(std::size_t count, Random& random) {
  std::vector<float> values(count);
  for (auto& value : values) value = static_cast<float>(random.normal());
  return values;
}

inline std::vector<std::int8_t> random_codes(std::size_t count, Random& random) {
  std::vector<std::int8_t> codes(count);
  for (auto& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random.below(3)) - 1);
  return codes;
}

// Random tensors for the whole table.
inline void encode_random(const std::vector<TensorSpec>& table, std::uint64_t seed, GgufWriter& writer) {
  Random random(seed);
  TensorEncoder encoder(writer);
  for (const auto& spec : table) {
    const auto count = static_cast<std::size_t>(spec.elements());
    if (spec.kind == TensorKind::kTernary) {
      encoder.ternary(spec, random_codes(count, random), 0.01f + static_cast<float>(random.uniform()));
    } else if (spec.kind == TensorKind::kInt8Rows) {
      const auto rows = static_cast<std::size_t>(spec.shape[0]);
      encoder.int8_rows(spec, quantize_int8_rows(random_floats(count, random), rows, count / rows));
    } else {
      encoder.floats(spec, random_floats(count, random));
    }
  }
  encoder.finish();
}

// A complete model file without a tokenizer.
inline std::vector<std::byte> random_model(const ModelConfig& config, std::uint64_t seed) {
  GgufWriter writer(kModelArchitecture);
  write_config(config, writer);
  encode_random(tensor_table(config), seed, writer);
  return writer.serialize();
}

// Reads the whole file as a loader does: config, every tensor, nothing else in it.
inline Result<void> decode_all(const GgufFile& file) {
  BITMAR_TRY(const ModelConfig config, read_config(file));
  BITMAR_TRY(const TensorDecoder decoder, TensorDecoder::open(file));
  const auto table = tensor_table(config);
  BITMAR_TRY_VOID(decoder.check_complete(table));
  for (const auto& spec : table) {
    if (spec.kind == TensorKind::kTernary) {
      BITMAR_TRY([[maybe_unused]] const auto matrix, decoder.ternary(spec));
    } else if (spec.kind == TensorKind::kInt8Rows) {
      BITMAR_TRY([[maybe_unused]] const auto matrix, decoder.int8_rows(spec));
    } else {
      BITMAR_TRY([[maybe_unused]] const auto values, decoder.floats(spec));
    }
  }
  return {};
}

}  // namespace bitmar::testing
