#include "export/model_export.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "io/gguf.h"
#include "kernels/ternary_format.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"
#include "nn/fused_ops.h"
#include "text/tokenizer.h"

namespace bitmar {
namespace {

using NamedTensorMap = std::map<std::string, torch::Tensor, std::less<>>;

NamedTensorMap module_tensors(BitmarModel& model) {
  NamedTensorMap tensors;
  for (const auto& item : model->named_parameters()) tensors.emplace(item.key(), item.value());
  for (const auto& item : model->named_buffers()) tensors.emplace(item.key(), item.value());
  return tensors;
}

// "output.weight" -> "output.scale"
std::string scale_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view("weight").size()) + "scale";
}

std::span<const float> values_of(const torch::Tensor& contiguous) {
  return {contiguous.const_data_ptr<float>(), static_cast<std::size_t>(contiguous.numel())};
}

Result<void> check_tensor(const TensorSpec& spec, const NamedTensorMap& tensors) {
  const auto found = tensors.find(spec.name);
  if (found == tensors.end()) return fail(ErrorCode::kNotFound, "the modules have no tensor '{}'", spec.name);
  const auto sizes = found->second.sizes();
  const bool same =
      std::ranges::equal(sizes, spec.shape, [](std::int64_t a, std::uint64_t b) { return std::cmp_equal(a, b); });
  if (!same) return fail(ErrorCode::kInvalidArgument, "tensor '{}' has not the shape of the tensor table", spec.name);
  return {};
}

Result<void> encode_module(const TensorSpec& spec, const NamedTensorMap& tensors, TensorEncoder& encoder) {
  BITMAR_TRY_VOID(check_tensor(spec, tensors));
  const auto values = tensors.find(spec.name)->second.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  switch (spec.kind) {
    case TensorKind::kTernary: {
      const float learned = tensors.find(scale_of(spec.name))->second.item<float>();
      const float scale = std::max(learned, kMinimumTernaryScale);
      std::vector<std::int8_t> codes(spec.elements());
      ternary_quantize(values_of(values), scale, codes);
      encoder.ternary(spec, codes, scale);
      return {};
    }
    case TensorKind::kInt8Rows:
      encoder.int8_rows(spec, quantize_int8_rows(values_of(values), spec.shape[0], spec.shape[1]));
      return {};
    case TensorKind::kFloat32:
    case TensorKind::kFloat16:
      encoder.floats(spec, values_of(values));
      return {};
  }
  return {};
}

Result<void> copy_tensor(const TensorSpec& spec, const TensorDecoder& from, TensorEncoder& encoder) {
  switch (spec.kind) {
    case TensorKind::kTernary: {
      BITMAR_TRY(const TernaryMatrix matrix, from.ternary(spec));
      encoder.ternary(spec, matrix.codes, matrix.scale);
      return {};
    }
    case TensorKind::kInt8Rows: {
      BITMAR_TRY(const Int8Matrix matrix, from.int8_rows(spec));
      encoder.int8_rows(spec, matrix);
      return {};
    }
    case TensorKind::kFloat32:
    case TensorKind::kFloat16: {
      BITMAR_TRY(const std::vector<float> values, from.floats(spec));
      encoder.floats(spec, values);
      return {};
    }
  }
  return {};
}

// The merges as pairs of 16-bit ids. GGUF has no unsigned 16-bit type: the bits are stored as I16.
void add_tokenizer(const Tokenizer& tokenizer, GgufWriter& writer) {
  writer.set("tokenizer.ggml.model", std::string("gpt2"));
  writer.set("tokenizer.ggml.pre", std::string("gpt-2"));
  writer.set("tokenizer.ggml.bos_token_id", std::uint32_t{tokenizer.end_of_text()});
  writer.set("tokenizer.ggml.eos_token_id", std::uint32_t{tokenizer.end_of_text()});
  const auto merges = tokenizer.merges();
  std::vector<std::uint16_t> ids;
  ids.reserve(merges.size() * 2);
  for (const auto& merge : merges) {
    ids.push_back(merge.left);
    ids.push_back(merge.right);
  }
  writer.add_tensor("tokenizer.merges", GgufType::kI16, {merges.size(), 2}, std::as_bytes(std::span(ids)));
}

Result<void> fill_tensor(const TensorSpec& spec, const TensorDecoder& decoder, const NamedTensorMap& tensors) {
  BITMAR_TRY_VOID(check_tensor(spec, tensors));
  torch::Tensor target = tensors.find(spec.name)->second;
  const std::vector<std::int64_t> shape(spec.shape.begin(), spec.shape.end());
  const auto from_codes = [&](std::vector<std::int8_t>& codes) {
    return torch::from_blob(codes.data(), shape, torch::kInt8).to(torch::kFloat32);
  };
  switch (spec.kind) {
    case TensorKind::kTernary: {
      BITMAR_TRY(TernaryMatrix matrix, decoder.ternary(spec));
      target.copy_(from_codes(matrix.codes) * matrix.scale);
      torch::Tensor scale = tensors.find(scale_of(spec.name))->second;
      scale.fill_(matrix.scale);
      return {};
    }
    case TensorKind::kInt8Rows: {
      BITMAR_TRY(Int8Matrix matrix, decoder.int8_rows(spec));
      target.copy_(from_codes(matrix.codes) * torch::tensor(matrix.scales).unsqueeze(1));
      return {};
    }
    case TensorKind::kFloat32:
    case TensorKind::kFloat16: {
      BITMAR_TRY(const std::vector<float> values, decoder.floats(spec));
      target.copy_(torch::tensor(values).view(shape));
      return {};
    }
  }
  return {};
}

}  // namespace

Result<void> export_model(BitmarModel& model, const ExportOptions& options, const std::string& path) {
  BITMAR_TRY(const Tokenizer tokenizer, Tokenizer::from_merges_file(options.merges));
  ModelConfig config = model->config();
  if (tokenizer.vocabulary_size() != config.vocabulary) {
    return fail(ErrorCode::kInvalidArgument, "{}: the merges make {} tokens; the model has {}", options.merges,
                tokenizer.vocabulary_size(), config.vocabulary);
  }
  config.tower.reset();
  const std::vector<TensorSpec> own = tensor_table(config);

  GgufWriter writer(kModelArchitecture);
  for (const auto& [key, value] : options.metadata) writer.set(key, value);
  TensorEncoder encoder(writer);
  const NamedTensorMap tensors = module_tensors(model);
  if (!options.tower.empty()) {
    BITMAR_TRY(const GgufFile file, GgufFile::open(options.tower));
    BITMAR_TRY(const VisionTowerConfig tower, read_tower_config(file));
    if (tower.feature_width() != config.vision_width) {
      return fail(ErrorCode::kInvalidArgument, "{}: the tower's features have width {}; the model was trained on {}",
                  options.tower, tower.feature_width(), config.vision_width);
    }
    config.tower = tower;
    BITMAR_TRY(const TensorDecoder decoder, TensorDecoder::open(file));
    for (const auto& spec : tower_tensor_table(tower)) BITMAR_TRY_VOID(copy_tensor(spec, decoder, encoder));
  }
  write_config(config, writer);
  for (const auto& spec : own) BITMAR_TRY_VOID(encode_module(spec, tensors, encoder));
  encoder.finish();
  add_tokenizer(tokenizer, writer);
  return writer.write(path);
}

Result<BitmarModel> load_exported_model(const std::string& path) {
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  BITMAR_TRY(ModelConfig config, read_config(file));
  BITMAR_TRY(const TensorDecoder decoder, TensorDecoder::open(file));
  BitmarModel model(config, 0.0);
  model->eval();
  const torch::NoGradGuard no_grad;
  const NamedTensorMap tensors = module_tensors(model);
  config.tower.reset();
  for (const auto& spec : tensor_table(config)) BITMAR_TRY_VOID(fill_tensor(spec, decoder, tensors));
  return model;
}

}  // namespace bitmar
