// A checkpoint of random parameters in the shipped model's shape, every one of them as far from its initial value as
// training takes it, so that each has a say in the logits.
//
//   random_checkpoint SEED OUTPUT.safetensors
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "checkpoint/checkpoint.h"
#include "nn/bitmar_model.h"
#include "pretrain/learner.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

constexpr const char* kPreset = "bitmar-14m-bitvit";

void randomise(const std::string& name, torch::Tensor values) {
  if (name.ends_with("memory_gate")) values.uniform_(0.2, 0.8);
  if (name.ends_with("norm.weight")) values.uniform_(0.6, 1.4);
  if (name.ends_with("norm.bias")) values.uniform_(-0.3, 0.3);
  if (name.ends_with(".scale")) values.mul_(torch::empty({1}).uniform_(0.6, 1.5));
  if (name == "token_embedding.weight" || name == "vision.null_token" || name == "memory.slots") values.normal_();
  if (name == "memory.usage") values.uniform_(0.0, 1.0);
}

Result<void> run(std::uint64_t seed, const char* path) {
  torch::manual_seed(seed);
  const torch::NoGradGuard no_grad;
  BITMAR_TRY(const ModelConfig config, preset(kPreset));
  BitmarModel model(config, 0.0);
  for (const auto& item : model->named_parameters()) randomise(item.key(), item.value());
  for (const auto& item : model->named_buffers()) randomise(item.key(), item.value());
  Checkpoint checkpoint;
  checkpoint.texts["config"] = fmt::format("[model]\npreset = \"{}\"\n", kPreset);
  save_module(*model, checkpoint, "model.");
  return save_checkpoint(path, checkpoint);
}

}  // namespace
}  // namespace bitmar

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: random_checkpoint SEED OUTPUT.safetensors\n");
    return 2;
  }
  if (const auto done = bitmar::run(std::strtoull(argv[1], nullptr, 10), argv[2]); !done) {
    fmt::print(stderr, "random_checkpoint: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
