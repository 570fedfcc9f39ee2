// A small model, batches and a measure of difference for tests.
#pragma once

#include "model/schema/config.h"
#include "nn/bitmar_model.h"
#include "torch_headers.h"

namespace bitmar::testing_nn {

inline ModelConfig small_config() {
  ModelConfig config;
  config.vocabulary = 101;
  config.width = 16;
  config.heads = 2;
  config.ffn_hidden = 32;
  config.encoder_layers = 2;
  config.decoder_layers = 2;
  config.training_length = 8;
  config.vision_width = 12;
  config.compression_hidden = 20;
  config.memory_slots = 10;
  config.memory_write_slots = 3;
  return config;
}

// rows x segments x length random tokens, all real; with photos of 4 patches where `images`.
inline ModelInput random_input(const ModelConfig& config, std::int64_t rows, std::int64_t segments, std::int64_t length,
                               bool images) {
  ModelInput input;
  input.tokens = torch::randint(0, config.vocabulary, {rows, segments, length}, torch::kLong);
  input.mask = torch::ones({rows, segments, length}, torch::kBool);
  if (images) {
    input.features = torch::randn({rows, 4, config.vision_width});
    input.image_of_row = torch::arange(rows, torch::kLong);
  } else {
    input.image_of_row = torch::full({rows}, -1, torch::kLong);
  }
  return input;
}

// ||a - b|| / ||b||.
inline double relative_error(const torch::Tensor& a, const torch::Tensor& b) {
  const auto reference = b.to(torch::kDouble);
  return ((a.to(torch::kDouble) - reference).norm() / reference.norm()).item<double>();
}

}  // namespace bitmar::testing_nn
