#include "runtime/tower_converter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"
#include "runtime/tower_source.h"

namespace bitmar {
namespace {

using Shape = std::vector<std::uint64_t>;

Result<std::uint32_t> to_extent(std::uint64_t value, std::string_view file, std::string_view what) {
  const auto narrowed = checked_cast<std::uint32_t>(value);
  if (!narrowed) return fail(ErrorCode::kOutOfRange, "{}: {} is {}", file, what, value);
  return *narrowed;
}

std::uint64_t integer_root(std::uint64_t value) {
  return static_cast<std::uint64_t>(std::llround(std::sqrt(static_cast<double>(value))));
}

Result<void> detect_patches(const SafeTensorsFile& file, const TowerSourceReader& reader, VisionTowerConfig& config) {
  const std::string name = "vision_tower.patch_embedding.weight";
  BITMAR_TRY(const Shape shape, reader.shape(name));
  if (shape.size() != 4 || shape[1] != 3 || shape[2] != shape[3]) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has shape [{}]; expected [width, 3, patch, patch]",
                file.name(), reader.locate(name).tensor, fmt::join(shape, ", "));
  }
  BITMAR_TRY(config.width, to_extent(shape[0], file.name(), "the width"));
  BITMAR_TRY(config.patch_size, to_extent(shape[2], file.name(), "the patch size"));
  return {};
}

Result<void> detect_positions(const SafeTensorsFile& file, const TowerSourceReader& reader, VisionTowerConfig& config) {
  const std::string name = "vision_tower.position_embedding";
  BITMAR_TRY(const Shape shape, reader.shape(name));
  const std::uint64_t side = shape.size() == 2 && shape[0] > 0 ? integer_root(shape[0] - 1) : 0;
  if (side == 0 || side * side + 1 != shape[0] || shape[1] != config.width) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has shape [{}]; expected [1 + side * side, {}]", file.name(),
                reader.locate(name).tensor, fmt::join(shape, ", "), config.width);
  }
  BITMAR_TRY(config.position_grid, to_extent(side, file.name(), "the position grid"));
  return {};
}

Result<void> detect_blocks(const SafeTensorsFile& file, const TowerSourceReader& reader, VisionTowerConfig& config) {
  config.depth = reader.depth();
  BITMAR_TRY(const Shape up, reader.shape("vision_tower.0.mlp.up.weight"));
  BITMAR_TRY(const Shape down, reader.shape("vision_tower.0.mlp.down.weight"));
  const bool matrices = up.size() == 2 && down.size() == 2;
  if (!matrices || (up[0] != down[1] && up[0] != 2 * down[1])) {
    return fail(ErrorCode::kInvalidFile, "{}: tensors '{}' [{}] and '{}' [{}] do not form an MLP or a SwiGLU",
                file.name(), reader.locate("vision_tower.0.mlp.up.weight").tensor, fmt::join(up, ", "),
                reader.locate("vision_tower.0.mlp.down.weight").tensor, fmt::join(down, ", "));
  }
  BITMAR_TRY(config.mlp_hidden, to_extent(down[1], file.name(), "the MLP width"));
  config.mlp = up[0] == down[1] ? TowerMlp::kGelu : TowerMlp::kSwiGlu;
  config.layer_scale = reader.contains("vision_tower.0.attention_scale");
  config.register_tokens = 0;
  if (reader.contains("vision_tower.register_tokens")) {
    BITMAR_TRY(const Shape registers, reader.shape("vision_tower.register_tokens"));
    BITMAR_TRY(config.register_tokens,
               to_extent(registers.size() == 2 ? registers[0] : 1, file.name(), "the number of registers"));
  }
  return {};
}

std::string size_name(std::uint32_t width) {
  switch (width) {
    case 192:
      return "tiny";
    case 384:
      return "small";
    case 768:
      return "base";
    case 1024:
      return "large";
    case 1536:
      return "giant";
    default:
      return std::to_string(width);
  }
}

// What the tensors do not say: preprocessing and conventions of the source.
Result<void> apply_conventions(const SafeTensorsFile& file, TowerSource kind, const ConvertOptions& options,
                               VisionTowerConfig& config) {
  constexpr std::uint32_t kHeadWidth = 64;
  if (!options.heads && config.width % kHeadWidth != 0) {
    return fail(ErrorCode::kInvalidArgument, "{}: width {} is no multiple of 64; pass the number of heads (--heads)",
                file.name(), config.width);
  }
  config.heads = options.heads.value_or(config.width / kHeadWidth);
  config.precision = options.precision;
  config.class_feature = options.class_feature;
  config.norm_epsilon = 1e-6f;
  if (kind == TowerSource::kDinov2) {
    // The processor of facebook/dinov2-*: shorter side to 256, centre 224, ImageNet statistics. The position
    // interpolation is antialiased in Dinov2WithRegisters only.
    config.name = fmt::format("dinov2-{}{}", size_name(config.width), config.register_tokens > 0 ? "-registers" : "");
    config.image_size = options.image_size.value_or(16 * config.patch_size);
    config.position_antialias = config.register_tokens > 0;
    config.fit = ImageFit::kCenterCrop;
    config.resize_shorter = static_cast<std::uint32_t>(std::lround(config.image_size * 256.0 / 224.0));
  } else {
    config.image_size = options.image_size.value_or(config.position_grid * config.patch_size);
    config.name = fmt::format("vit_{}_patch{}_{}", size_name(config.width), config.patch_size, config.image_size);
    config.position_antialias = true;  // timm's resample_abs_pos_embed
    config.fit = ImageFit::kSquash;
    config.resize_shorter = config.image_size;
  }
  if (kind == TowerSource::kDinov2 || options.imagenet_normalisation) {
    config.mean = {0.485f, 0.456f, 0.406f};
    config.deviation = {0.229f, 0.224f, 0.225f};
  } else {
    config.mean = {0.5f, 0.5f, 0.5f};
    config.deviation = {0.5f, 0.5f, 0.5f};
  }
  if (options.name) config.name = *options.name;
  return {};
}

}  // namespace

Result<VisionTowerConfig> convert_tower(const SafeTensorsFile& source, TowerSource kind, const ConvertOptions& options,
                                        GgufWriter& writer) {
  if (options.precision == TowerPrecision::kTernary) {
    return fail(ErrorCode::kUnsupported, "a ternary tower must be trained (distilled), not converted");
  }
  TowerSourceReader reader(source, kind);
  VisionTowerConfig config;
  BITMAR_TRY_VOID(detect_patches(source, reader, config));
  BITMAR_TRY_VOID(detect_positions(source, reader, config));
  BITMAR_TRY_VOID(detect_blocks(source, reader, config));
  BITMAR_TRY_VOID(apply_conventions(source, kind, options, config));
  if (const auto valid = config.validate(); !valid) {
    return fail(valid.error().code, "{}: {}", source.name(), valid.error().message);
  }

  writer.set("general.name", config.name);
  write_tower_config(config, writer);
  TensorEncoder encoder(writer);
  for (const auto& spec : tower_tensor_table(config)) {
    BITMAR_TRY(const std::vector<float> values, reader.values(spec));
    for (const float value : values) {
      if (std::isfinite(value)) continue;
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' holds a value that is not finite", source.name(),
                  reader.locate(spec.name).tensor);
    }
    if (spec.kind == TensorKind::kInt8Rows) {
      encoder.int8_rows(spec, quantize_int8_rows(values, spec.shape[0], spec.shape[1]));
    } else {
      encoder.floats(spec, values);
    }
  }
  encoder.finish();
  BITMAR_TRY_VOID(reader.check_all_used());
  return config;
}

}  // namespace bitmar
