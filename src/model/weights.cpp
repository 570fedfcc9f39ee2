#include "model/weights.h"

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "model/schema/tensor_table.h"

namespace bitmar {
namespace {

float softplus(float x) {
  return x > 20.0f ? x : std::log1p(std::exp(x));
}
float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

// Looks tensors up in the table by name and decodes them.
class Loader {
 public:
  Loader(const ModelConfig& config, const TensorDecoder& tensors, const Kernels& kernels)
      : tensors_(tensors), kernels_(kernels) {
    for (auto& spec : tensor_table(config)) {
      std::string name = spec.name;
      specs_.emplace(std::move(name), std::move(spec));
    }
  }

  Result<TernaryLinear> linear(const std::string& name) const {
    BITMAR_TRY(const PackedTernaryMatrix matrix, tensors_.packed_ternary(spec(name + ".weight")));
    return TernaryLinear::from_canonical(kernels_, matrix.packed, matrix.rows, matrix.columns, matrix.scale, {},
                                         matrix.name);
  }
  Result<std::vector<float>> floats(const std::string& name) const { return tensors_.floats(spec(name)); }
  Result<float> scalar(const std::string& name) const {
    BITMAR_TRY(const std::vector<float> values, floats(name));
    return values.front();
  }
  Result<Int8MatrixView> int8_rows(const std::string& name) const { return tensors_.int8_rows_view(spec(name)); }

  Result<NormWeights> norm(const std::string& name) const {
    NormWeights weights;
    BITMAR_TRY(weights.gain, floats(name + ".weight"));
    BITMAR_TRY(weights.bias, floats(name + ".bias"));
    return weights;
  }
  Result<AttentionWeights> attention(const std::string& name) const {
    AttentionWeights weights;
    BITMAR_TRY(weights.query, linear(name + ".query"));
    BITMAR_TRY(weights.key, linear(name + ".key"));
    BITMAR_TRY(weights.value, linear(name + ".value"));
    BITMAR_TRY(weights.output, linear(name + ".output"));
    BITMAR_TRY(weights.output_norm, norm(name + ".output_norm"));
    return weights;
  }
  Result<TextLayerWeights> text_layer(const std::string& name, bool memory) const {
    TextLayerWeights weights;
    if (memory) {
      BITMAR_TRY(weights.memory, linear(name + ".memory"));
      BITMAR_TRY(const float gate, scalar(name + ".memory_gate"));
      weights.memory_gate = std::tanh(gate);
    }
    BITMAR_TRY(weights.attention_norm, norm(name + ".attention_norm"));
    BITMAR_TRY(weights.attention, attention(name + ".attention"));
    BITMAR_TRY(weights.ffn_norm, norm(name + ".ffn_norm"));
    BITMAR_TRY(weights.up, linear(name + ".ffn.up"));
    BITMAR_TRY(weights.down_norm, norm(name + ".ffn.down_norm"));
    BITMAR_TRY(weights.down, linear(name + ".ffn.down"));
    return weights;
  }

 private:
  const TensorSpec& spec(const std::string& name) const { return specs_.at(name); }

  const TensorDecoder& tensors_;
  const Kernels& kernels_;
  std::map<std::string, TensorSpec> specs_;
};

Result<std::vector<TextLayerWeights>> load_stack(const Loader& loader, const std::string& prefix, std::uint32_t layers,
                                                 bool memory) {
  std::vector<TextLayerWeights> stack;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    BITMAR_TRY(auto weights, loader.text_layer(fmt::format("{}.{}", prefix, layer), memory));
    stack.push_back(std::move(weights));
  }
  return stack;
}

Result<VisionWeights> load_vision(const Loader& loader) {
  VisionWeights weights;
  BITMAR_TRY(weights.compression_in, loader.linear("vision.compression.0"));
  BITMAR_TRY(weights.compression_out, loader.linear("vision.compression.1"));
  BITMAR_TRY(weights.norm, loader.norm("vision.norm"));
  BITMAR_TRY(weights.null_token, loader.floats("vision.null_token"));
  return weights;
}

Result<MemoryWeights> load_memory(const Loader& loader, const ModelConfig& config) {
  MemoryWeights weights;
  BITMAR_TRY(weights.write, loader.linear("memory.write"));
  BITMAR_TRY(const float sharpness, loader.scalar("memory.read_sharpness"));
  weights.sharpness = softplus(sharpness);
  if (config.query == QueryKind::kExponential) {
    BITMAR_TRY(const float decay, loader.scalar("memory.query_decay"));
    weights.query_decay = sigmoid(decay);
  }
  return weights;
}

Result<InjectionWeights> load_injection(const Loader& loader, const ModelConfig& config) {
  InjectionWeights weights;
  if (config.injection == InjectionKind::kConcatenate) {
    BITMAR_TRY(weights.input, loader.linear("decoder.input"));
    return weights;
  }
  BITMAR_TRY(weights.fusion, loader.linear("decoder.fusion"));
  if (config.memory) {
    BITMAR_TRY(weights.memory, loader.linear("decoder.memory"));
  }
  return weights;
}

std::size_t bytes(const NormWeights& norm) {
  return (norm.gain.size() + norm.bias.size()) * sizeof(float);
}
std::size_t bytes(const std::optional<TernaryLinear>& linear) {
  return linear ? linear->memory_bytes() : 0;
}
std::size_t bytes(const AttentionWeights& attention) {
  return attention.query.memory_bytes() + attention.key.memory_bytes() + attention.value.memory_bytes() +
         attention.output.memory_bytes() + bytes(attention.output_norm);
}
std::size_t bytes(const std::vector<TextLayerWeights>& stack) {
  std::size_t sum = 0;
  for (const auto& layer : stack) {
    sum += bytes(layer.memory) + bytes(layer.attention_norm) + bytes(layer.attention) + bytes(layer.ffn_norm) +
           layer.up.memory_bytes() + bytes(layer.down_norm) + layer.down.memory_bytes();
  }
  return sum;
}

}  // namespace

Result<BitmarModel> BitmarModel::load(const ModelConfig& config, const TensorDecoder& tensors, const Kernels& kernels) {
  const Loader loader(config, tensors, kernels);
  BitmarModel model;
  model.config = config;
  model.kernels = &kernels;
  BITMAR_TRY(model.token_embedding, loader.int8_rows("token_embedding.weight"));
  BITMAR_TRY(model.encoder, load_stack(loader, "encoder", config.encoder_layers, false));
  BITMAR_TRY(model.encoder_norm, loader.norm("encoder.norm"));
  BITMAR_TRY(model.vision, load_vision(loader));
  BITMAR_TRY(model.fusion, loader.attention("fusion.attention"));
  BITMAR_TRY(model.fusion_norm, loader.norm("fusion.norm"));
  if (config.memory) {
    BITMAR_TRY(model.memory, load_memory(loader, config));
  }
  BITMAR_TRY(model.injection, load_injection(loader, config));
  BITMAR_TRY(model.decoder, load_stack(loader, "decoder", config.decoder_layers, config.memory));
  BITMAR_TRY(model.decoder_norm, loader.norm("decoder.norm"));
  BITMAR_TRY(model.output, loader.linear("output"));
  return model;
}

std::size_t BitmarModel::memory_bytes() const {
  std::size_t sum = token_embedding.codes.size() + token_embedding.scales.size() * sizeof(float);
  sum += bytes(encoder) + bytes(encoder_norm) + bytes(fusion) + bytes(fusion_norm) + bytes(decoder) +
         bytes(decoder_norm) + output.memory_bytes();
  sum += vision.compression_in.memory_bytes() + vision.compression_out.memory_bytes() + bytes(vision.norm) +
         vision.null_token.size() * sizeof(float);
  sum += bytes(injection.input) + bytes(injection.fusion) + bytes(injection.memory);
  if (memory) sum += memory->write.memory_bytes();
  return sum;
}

}  // namespace bitmar
