#include "export/tower_export.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "io/gguf.h"
#include "kernels/ternary_format.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_table.h"
#include "nn/fused_ops.h"

namespace bitmar {
namespace {

constexpr std::string_view kTowerPrefix = "vision_tower.";
constexpr std::string_view kWeight = "weight";

using Parameters = torch::OrderedDict<std::string, torch::Tensor>;

// The module's name of a table's tensor: "vision_tower.0.mlp.up.weight" -> "0.mlp.up.weight".
std::string module_name(const TensorSpec& spec) {
  return spec.name.substr(kTowerPrefix.size());
}

// "0.mlp.up.weight" -> "0.mlp.up.scale"
std::string scale_name(const std::string& weight) {
  return weight.substr(0, weight.size() - kWeight.size()) + "scale";
}

std::vector<std::int64_t> torch_shape(const TensorSpec& spec) {
  return {spec.shape.begin(), spec.shape.end()};
}

Result<torch::Tensor> find(const Parameters& parameters, const TensorSpec& spec) {
  const torch::Tensor* found = parameters.find(module_name(spec));
  if (found == nullptr) return fail(ErrorCode::kNotFound, "the tower has no tensor '{}'", spec.name);
  if (found->sizes() != at::IntArrayRef(torch_shape(spec))) {
    return fail(ErrorCode::kInvalidArgument, "tensor '{}' has the shape [{}]; expected [{}]", spec.name,
                fmt::join(found->sizes(), ", "), fmt::join(spec.shape, ", "));
  }
  return *found;
}

Result<void> encode(const TensorSpec& spec, const Parameters& parameters, TensorEncoder& encoder) {
  BITMAR_TRY(const torch::Tensor parameter, find(parameters, spec));
  const torch::Tensor contiguous = parameter.detach().to(torch::kCPU, torch::kFloat).contiguous();
  const std::span<const float> values(contiguous.const_data_ptr<float>(), static_cast<std::size_t>(contiguous.numel()));
  switch (spec.kind) {
    case TensorKind::kTernary: {
      const float scale = std::max(parameters[scale_name(module_name(spec))].item<float>(), kMinimumTernaryScale);
      std::vector<std::int8_t> codes(values.size());
      ternary_quantize(values, scale, codes);
      encoder.ternary(spec, codes, scale);
      return {};
    }
    case TensorKind::kInt8Rows:
      encoder.int8_rows(spec, quantize_int8_rows(values, spec.shape[0], spec.shape[1]));
      return {};
    case TensorKind::kFloat32:
    case TensorKind::kFloat16:
      encoder.floats(spec, values);
      return {};
  }
  return {};
}

std::vector<float> dequantize_rows(const Int8Matrix& matrix) {
  std::vector<float> values(matrix.codes.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(matrix.codes[i]) * matrix.scales[i / matrix.columns];
  }
  return values;
}

Result<std::vector<float>> decode(const TensorSpec& spec, const TensorDecoder& decoder, const Parameters& parameters) {
  switch (spec.kind) {
    case TensorKind::kTernary: {
      BITMAR_TRY(const TernaryMatrix matrix, decoder.ternary(spec));
      parameters[scale_name(module_name(spec))].fill_(matrix.scale);
      std::vector<float> values(matrix.codes.size());
      std::ranges::transform(matrix.codes, values.begin(),
                             [&](std::int8_t code) { return static_cast<float>(code) * matrix.scale; });
      return values;
    }
    case TensorKind::kInt8Rows: {
      BITMAR_TRY(const Int8Matrix matrix, decoder.int8_rows(spec));
      return dequantize_rows(matrix);
    }
    case TensorKind::kFloat32:
    case TensorKind::kFloat16:
      return decoder.floats(spec);
  }
  return {};
}

}  // namespace

Result<void> encode_tower(const VisionTransformerImpl& tower, TensorEncoder& encoder) {
  const Parameters parameters = tower.named_parameters();
  for (const auto& spec : tower_tensor_table(tower.config())) {
    BITMAR_TRY_VOID(encode(spec, parameters, encoder));
  }
  return {};
}

Result<void> export_tower(const VisionTransformerImpl& tower, const std::map<std::string, std::string>& metadata,
                          const std::string& path) {
  GgufWriter writer(kTowerArchitecture);
  for (const auto& [key, value] : metadata) writer.set(key, value);
  write_tower_config(tower.config(), writer);
  TensorEncoder encoder(writer);
  BITMAR_TRY_VOID(encode_tower(tower, encoder));
  encoder.finish();
  return writer.write(path);
}

Result<VisionTransformer> load_exported_tower(const std::string& path) {
  const torch::NoGradGuard no_gradient;
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  BITMAR_TRY(const VisionTowerConfig config, read_tower_config(file));
  if (config.precision == TowerPrecision::kInt8) {
    return fail(ErrorCode::kUnsupported, "{}: a tower with int8 blocks; expected float32 or ternary", path);
  }
  BITMAR_TRY(const TensorDecoder decoder, TensorDecoder::open(file));
  const std::vector<TensorSpec> table = tower_tensor_table(config);
  VisionTransformer tower(config);
  const Parameters parameters = tower->named_parameters();
  for (const auto& spec : table) {
    BITMAR_TRY(const torch::Tensor parameter, find(parameters, spec));
    BITMAR_TRY(const std::vector<float> values, decode(spec, decoder, parameters));
    parameter.copy_(torch::tensor(values).view_as(parameter));
  }
  tower->eval();
  return tower;
}

}  // namespace bitmar
