// A vision tower from torch to the file that the runtime opens (architecture bitmar-tower), and back.
//
//   BITMAR_TRY_VOID(export_tower(*student, {{"general.name", "BitViT"}}, "tower.gguf"));
//   BITMAR_TRY(VisionTransformer loaded, load_exported_tower("tower.gguf"));
//
// The model's exporter copies the tensors of such a file into the whole model's.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "model/schema/tensor_codec.h"
#include "nn/vision_transformer.h"

namespace bitmar {

// Every tensor of the tower by its table: ternary codes and int8 rows are exactly what training multiplied with; the
// other parameters of a ternary tower are rounded to F16.
[[nodiscard]] Result<void> encode_tower(const VisionTransformerImpl& tower, TensorEncoder& encoder);

// `metadata`: general.name, general.license, … beside the config.
[[nodiscard]] Result<void> export_tower(const VisionTransformerImpl& tower,
                                        const std::map<std::string, std::string>& metadata, const std::string& path);

// The tower with the file's values, in evaluation mode. Latent ternary weights are code * scale and latent int8 rows
// code * row scale, so the tower computes with the file's codes. Errors: those of the file; kUnsupported for a tower
// with int8 blocks.
[[nodiscard]] Result<VisionTransformer> load_exported_tower(const std::string& path);

}  // namespace bitmar
