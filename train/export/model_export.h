// From trained modules to the one file that the runtime opens, and back.
//
//   BITMAR_TRY_VOID(export_model(model, {.tower = "tower.gguf", .merges = "models/gpt2-merges.txt"}, "model.gguf"));
//   BITMAR_TRY(BitmarModel loaded, load_exported_model("model.gguf"));
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "nn/bitmar_model.h"

namespace bitmar {

struct ExportOptions {
  std::string tower;                            // a tower file whose tensors are copied; empty: features only
  std::string merges;                           // GPT-2's merges.txt
  std::map<std::string, std::string> metadata;  // general.name, general.license, …
};

// Ternary codes and int8 rows are exactly what training multiplied with. kInvalidArgument where the tower's width is
// not the model's vision_width, or the merges do not make its vocabulary.
[[nodiscard]] Result<void> export_model(BitmarModel& model, const ExportOptions& options, const std::string& path);

// The modules with the file's values: latent ternary weights are code * scale, latent embeddings code * row scale, so
// that quantizing them again gives the file's codes. The tower is not part of it. Evaluation mode, on the CPU.
[[nodiscard]] Result<BitmarModel> load_exported_model(const std::string& path);

}  // namespace bitmar
