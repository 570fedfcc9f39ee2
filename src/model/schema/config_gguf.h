// The config as GGUF metadata, under `bitmar.*` and `bitmar.vision_tower.*`; the key list is docs/format.md.
#pragma once

#include "base/result.h"
#include "io/gguf.h"
#include "model/schema/config.h"

namespace bitmar {

// Files that hold a whole model, and files that hold a vision tower alone (`bitmar convert`).
inline constexpr const char* kModelArchitecture = "bitmar";
inline constexpr const char* kTowerArchitecture = "bitmar-tower";

void write_config(const ModelConfig& config, GgufWriter& writer);
void write_tower_config(const VisionTowerConfig& config, GgufWriter& writer);

// Reads and validates; errors name the file and the key. A file with too few tensors for its
// blocks is refused.
[[nodiscard]] Result<ModelConfig> read_config(const GgufFile& file);
[[nodiscard]] Result<VisionTowerConfig> read_tower_config(const GgufFile& file);

}  // namespace bitmar
