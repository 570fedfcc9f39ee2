// The model's parameters, ready for the kernels: ternary matrices packed for one instruction set, the rest in FP32.
// Immutable once loaded, shared by all sessions. The token embedding stays in the model file's bytes, of which only the
// rows of the tokens in use are ever read.
//
//   BITMAR_TRY(const BitmarModel model, BitmarModel::load(config, decoder, kernels));
//   model.output.apply(quantized, logits, &pool);
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/result.h"
#include "kernels/kernels.h"
#include "kernels/linear.h"
#include "model/schema/config.h"
#include "model/schema/tensor_codec.h"

namespace bitmar {

struct NormWeights {
  std::vector<float> gain;  // [columns]
  std::vector<float> bias;  // [columns]
};

// Multi-head attention with a norm right before the output projection (SubLN, docs/model.md).
struct AttentionWeights {
  TernaryLinear query;  // [d, d], and so the next three
  TernaryLinear key;
  TernaryLinear value;
  TernaryLinear output;
  NormWeights output_norm;  // [d]
};

struct TextLayerWeights {
  std::optional<TernaryLinear> memory;  // P_l [d, d]: decoder layers of a model with memory
  float memory_gate = 0.0f;             // tanh(g_l)
  NormWeights attention_norm;
  AttentionWeights attention;
  NormWeights ffn_norm;
  TernaryLinear up;       // [f, d]
  NormWeights down_norm;  // [f]
  TernaryLinear down;     // [d, f]
};

struct VisionWeights {
  TernaryLinear compression_in;   // [compression_hidden, F]
  TernaryLinear compression_out;  // [d, compression_hidden]
  NormWeights norm;
  std::vector<float> null_token;  // [d]
};

struct MemoryWeights {
  TernaryLinear write;       // W_w [K, C]
  float sharpness = 0.0f;    // beta = softplus(memory.read_sharpness)
  float query_decay = 0.0f;  // sigmoid(memory.query_decay); QueryKind::kExponential only
};

// P_f and P_m of docs/model.md, or the one projection of the concatenation.
struct InjectionWeights {
  std::optional<TernaryLinear> input;   // kConcatenate: [d, 2d], with memory [d, 3d]
  std::optional<TernaryLinear> fusion;  // kAdd: [d, d]
  std::optional<TernaryLinear> memory;  // kAdd with memory: [d, d]
};

struct BitmarModel {
  ModelConfig config;
  const Kernels* kernels = nullptr;  // never null once loaded

  Int8MatrixView token_embedding;  // [V, d], in the file's bytes
  std::vector<TextLayerWeights> encoder;
  NormWeights encoder_norm;
  VisionWeights vision;
  AttentionWeights fusion;
  NormWeights fusion_norm;
  std::optional<MemoryWeights> memory;
  InjectionWeights injection;
  std::vector<TextLayerWeights> decoder;
  NormWeights decoder_norm;
  TernaryLinear output;  // [V, d]

  // Reads every text, vision-compression and memory parameter that the tensor table lists; the tower and the memory's
  // state have their own loaders. The bytes that `tensors` reads outlive the model. Errors name the file and the
  // tensor.
  static Result<BitmarModel> load(const ModelConfig& config, const TensorDecoder& tensors, const Kernels& kernels);

  // Bytes that the parameters take in memory, the embedding's part of the file included.
  [[nodiscard]] std::size_t memory_bytes() const;
};

}  // namespace bitmar
