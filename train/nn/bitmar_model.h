// The whole model of docs/model.md on libtorch, except the vision tower: features in, the vocabulary head's input out.
// The head itself is applied by the objective, which never holds all logits. Parameter names are the tensor table's
// (model/schema/tensor_table.h), each ternary matrix `x.weight` with its scale `x.scale` beside it.
//
//   BitmarModel model(config, 0.1);
//   ModelOutput output = model->forward(input, {});
//   torch::Tensor loss = vocabulary_loss(output.hidden, model->output()->effective_weight(), targets);
#pragma once

#include <memory>
#include <vector>

#include "model/schema/config.h"
#include "nn/bit_linear.h"
#include "nn/decoder.h"
#include "nn/episodic_memory.h"
#include "nn/fusion.h"
#include "nn/text_stack.h"
#include "torch_headers.h"

namespace bitmar {

// One batch. A row holds segments of at most T tokens: episodes that follow one another in the memory. Tokens and
// image_of_row stand on the CPU, whatever the model's device: shapes depend on them.
struct ModelInput {
  torch::Tensor tokens;        // int64 [rows, segments, T], any valid id at padding
  torch::Tensor mask;          // bool [rows, segments, T], true at real tokens: a prefix of every segment
  torch::Tensor features;      // float [images, N, F]; undefined where no row has an image
  torch::Tensor image_of_row;  // int64 [rows], an index into features, -1 for text alone
};

struct ModelOutput {
  torch::Tensor hidden;  // decoder.norm's output [rows, segments, T, d]: the head's input, not yet quantized
  torch::Tensor states;  // Z [rows, segments, T, d]
  torch::Tensor vision;  // V_img [images, N', d]; undefined without features
  MemoryPass memory;     // with memory = on
};

// The model up to the fusion: all that a classifier of a text needs.
struct FusedOutput {
  torch::Tensor embedded;  // E[x] [rows * segments, T, d]
  torch::Tensor states;    // Z [rows, segments, T, d]
  torch::Tensor vision;    // V_img [images, N', d]; undefined without features
  torch::Tensor fused;     // F [rows, segments, T, d]
};

// Probabilities of every attention, detached; filled where the caller passes one.
struct AttentionMaps {
  std::vector<torch::Tensor> encoder, decoder;  // per layer [rows * segments, heads, T, T]
  torch::Tensor fusion;                         // [rows, heads, segments * T, 1 + N']
};

struct ModelRunOptions {
  bool checkpoint_activations = false;
  AttentionMaps* maps = nullptr;
};

class BitmarModelImpl : public torch::nn::Module {
 public:
  BitmarModelImpl(const ModelConfig& config, double vision_dropout);

  ModelOutput forward(const ModelInput& input, const ModelRunOptions& options);
  // Encoder, vision compression and fusion; forward() starts with it. The mask is not looked at.
  FusedOutput fuse(const ModelInput& input, const ModelRunOptions& options);

  // E[x], fake-quantized to int8 rows on the rows in use only. tokens [...] -> [..., d]
  torch::Tensor embed(const torch::Tensor& tokens);

  const ModelConfig& config() const { return config_; }
  BitLinear& output() { return output_; }       // the vocabulary head
  EpisodicMemory& memory() { return memory_; }  // empty with memory = off
  // Every BitLinear with its name ("encoder.0.attention.query"), in the table's order.
  std::vector<std::pair<std::string, BitLinear>> ternary_layers();

 private:
  const RotaryTable& rotary(std::int64_t length, torch::Device device);

  ModelConfig config_;
  RotaryTable rotary_;
  torch::nn::Embedding token_embedding_{nullptr};
  TextEncoder encoder_{nullptr};
  VisionCompression vision_{nullptr};
  Fusion fusion_{nullptr};
  EpisodicMemory memory_{nullptr};
  TextDecoder decoder_{nullptr};
  BitLinear output_{nullptr};
};
TORCH_MODULE(BitmarModel);

}  // namespace bitmar
