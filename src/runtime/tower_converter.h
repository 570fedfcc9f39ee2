// Vision towers of other projects to our GGUF tower file.
//
//   BITMAR_TRY(const SafeTensorsFile source, SafeTensorsFile::open("model.safetensors"));
//   GgufWriter writer(kTowerArchitecture);
//   BITMAR_TRY(const VisionTowerConfig config, convert_tower(source, TowerSource::kDinov2, {}, writer));
//   BITMAR_TRY_VOID(writer.write("tower.gguf"));
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/schema/config.h"

namespace bitmar {

enum class TowerSource {
  kDinov2,  // Hugging Face Dinov2Model and Dinov2WithRegistersModel
  kTimm,    // timm's VisionTransformer (fused qkv)
};

struct ConvertOptions {
  TowerPrecision precision = TowerPrecision::kFloat32;  // kTernary needs training and is refused
  std::optional<std::uint32_t> image_size;              // default: 224 for DINOv2, else the size of the position grid
  std::optional<std::uint32_t> heads;                   // default: width / 64, as all published DINOv2 and most ViTs
  bool imagenet_normalisation = false;                  // timm only: ImageNet mean and deviation instead of 0.5
  bool class_feature = false;                           // VisionTowerConfig::class_feature
  std::optional<std::string> name;                      // default: by source and width
};

// Shapes, depth, registers, LayerScale and SwiGLU are read off the tensors. Writes config and tensors to `writer` and
// returns the config. Errors name the file and the tensor: kNotFound where one is missing, kInvalidFile where a shape
// is not what the others imply, kUnsupported where the file has a tensor that this ViT has no place for.
[[nodiscard]] Result<VisionTowerConfig> convert_tower(const SafeTensorsFile& source, TowerSource kind,
                                                      const ConvertOptions& options, GgufWriter& writer);

}  // namespace bitmar
