#include "file_inspection.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <variant>

#include "io/gguf.h"
#include "io/mapped_file.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "kernels/kernels.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "runtime/engine.h"
#include "runtime/memory_snapshot.h"

namespace bitmar::cli {
namespace {

constexpr std::size_t kLongestArray = 8;
constexpr std::string_view kCheckpointFormat = "bitmar-checkpoint-1";  // docs/format.md
constexpr float kMinimumScale = 1e-8f;                                 // below it a learned scale counts as this

nlohmann::ordered_json value_json(const GgufValue& value) {
  return std::visit(
      [](const auto& held) -> nlohmann::ordered_json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held> || std::is_same_v<Held, std::string>) {
          return held;
        } else {
          if (held.size() > kLongestArray) return fmt::format("[{} values]", held.size());
          auto array = nlohmann::ordered_json::array();
          for (const auto& element : held) array.push_back(static_cast<typename Held::value_type>(element));
          return array;
        }
      },
      value);
}

std::uint64_t elements(const std::vector<std::uint64_t>& shape) {
  std::uint64_t product = 1;
  for (const auto extent : shape) product *= extent;
  return product;
}

// Tensors by the schema's table: logical shapes, zeros, exact parameters.
Result<void> summarise_table(const GgufFile& file, const std::vector<TensorSpec>& table, FileSummary& summary) {
  BITMAR_TRY(const TensorDecoder decoder, TensorDecoder::open(file));
  BITMAR_TRY_VOID(decoder.check_complete(table));
  for (const auto& spec : table) {
    BITMAR_TRY(const GgufTensor* stored, file.tensor(spec.name));
    TensorSummary tensor{spec.name, std::string(gguf_type_name(stored->type)), spec.shape, stored->bytes.size(), -1};
    if (spec.kind == TensorKind::kTernary) {
      BITMAR_TRY(const TernaryMatrix matrix, decoder.ternary(spec));
      tensor.type = "ternary";
      tensor.bytes += sizeof(float);
      tensor.zeros =
          static_cast<double>(std::ranges::count(matrix.codes, 0)) / static_cast<double>(matrix.codes.size());
    } else if (spec.kind == TensorKind::kInt8Rows) {
      tensor.type = "int8 rows";
      tensor.bytes += spec.shape.front() * 2;
    }
    if (is_memory_state(spec)) summary.memory_state += spec.elements();
    summary.weight_bytes += tensor.bytes;
    summary.tensors.push_back(std::move(tensor));
  }
  summary.parameters = parameter_count(table);
  return {};
}

Result<FileSummary> inspect_gguf(const std::string& path) {
  FileSummary summary;
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  for (const auto& [key, value] : file.metadata()) summary.metadata[key] = value_json(value);
  const auto architecture = file.value<std::string>("general.architecture");
  if (architecture && *architecture == kModelArchitecture) {
    summary.kind = "BitMar model";
    BITMAR_TRY(const ModelConfig config, read_config(file));
    BITMAR_TRY_VOID(summarise_table(file, tensor_table(config), summary));
    BITMAR_TRY(const auto engine, Engine::open(path));
    summary.resident_bytes = engine->memory_bytes();
  } else if (architecture && *architecture == kTowerArchitecture) {
    summary.kind = "vision tower";
    BITMAR_TRY(const VisionTowerConfig config, read_tower_config(file));
    BITMAR_TRY_VOID(summarise_table(file, tower_tensor_table(config), summary));
  } else {
    summary.kind = "GGUF";
    for (const auto& tensor : file.tensors()) {
      summary.tensors.push_back(
          {tensor.name, std::string(gguf_type_name(tensor.type)), tensor.shape, tensor.bytes.size(), -1});
      summary.parameters += elements(tensor.shape);
      summary.weight_bytes += tensor.bytes.size();
    }
  }
  return summary;
}

Result<void> summarise_snapshot(const SafeTensorsFile& file, FileSummary& summary) {
  BITMAR_TRY(const MemorySnapshotSummary snapshot, summarise_memory_snapshot(file));
  summary.kind = "memory snapshot";
  summary.metadata = {{"model", snapshot.model_hash},
                      {"episodes", snapshot.episodes},
                      {"folded", snapshot.folded},
                      {"slots", snapshot.slots},
                      {"width", snapshot.width}};
  summary.parameters = 0;
  summary.memory_state = snapshot.slots * (snapshot.width + 1);
  return {};
}

// The zeros that a latent matrix has once it is quantized: round(w / scale) = 0, ties to even.
Result<double> latent_zeros(const SafeTensorsFile& file, const SafeTensor& weight, std::string_view scale_name) {
  const std::uint64_t count = elements(weight.shape);
  BITMAR_TRY(const std::vector<float> scale, file.floats(scale_name, 1));
  BITMAR_TRY(const std::vector<float> values, file.floats(weight.name, count));
  const float step = std::max(scale[0], kMinimumScale);
  const auto zeros = std::ranges::count_if(values, [step](float value) { return std::abs(value / step) <= 0.5f; });
  return count == 0 ? 0.0 : static_cast<double>(zeros) / static_cast<double>(count);
}

// A checkpoint's model lies under "model.", as latent weights in FP32; "<matrix>.scale" stands beside ternary ones.
Result<void> summarise_checkpoint(const SafeTensorsFile& file, FileSummary& summary) {
  constexpr std::string_view kWeight = ".weight";
  summary.kind = "checkpoint";
  summary.parameters = 0;
  summary.weight_bytes = 0;
  for (std::size_t index = 0; index < summary.tensors.size(); ++index) {
    TensorSummary& tensor = summary.tensors[index];
    if (!tensor.name.starts_with("model.")) continue;
    const bool state = tensor.name == "model.memory.slots" || tensor.name == "model.memory.usage";
    (state ? summary.memory_state : summary.parameters) += elements(tensor.shape);
    summary.weight_bytes += tensor.bytes;
    if (!tensor.name.ends_with(kWeight)) continue;
    const std::string scale = tensor.name.substr(0, tensor.name.size() - kWeight.size()) + ".scale";
    if (!file.tensor(scale)) continue;
    BITMAR_TRY(tensor.zeros, latent_zeros(file, file.tensors()[index], scale));
  }
  return {};
}

Result<FileSummary> inspect_safetensors(const std::string& path) {
  FileSummary summary;
  summary.kind = "safetensors";
  BITMAR_TRY(const SafeTensorsFile file, SafeTensorsFile::open(path));
  for (const auto& [key, value] : file.metadata()) summary.metadata[key] = value;
  for (const auto& tensor : file.tensors()) {
    summary.tensors.push_back(
        {tensor.name, std::string(data_type_name(tensor.type)), tensor.shape, tensor.bytes.size(), -1});
    summary.parameters += elements(tensor.shape);
    summary.weight_bytes += tensor.bytes.size();
  }
  if (is_memory_snapshot(file)) {
    BITMAR_TRY_VOID(summarise_snapshot(file, summary));
  } else if (const auto format = file.metadata().find("format");
             format != file.metadata().end() && format->second == kCheckpointFormat) {
    BITMAR_TRY_VOID(summarise_checkpoint(file, summary));
  }
  return summary;
}

Result<FileSummary> inspect_npy(const std::string& path) {
  FileSummary summary;
  summary.kind = "NumPy array";
  BITMAR_TRY(const NpyFile file, NpyFile::open(path));
  summary.tensors.push_back({path, std::string(data_type_name(file.type())), file.shape(), file.bytes().size(), -1});
  summary.parameters = file.elements();
  summary.weight_bytes = file.bytes().size();
  return summary;
}

}  // namespace

Result<FileSummary> inspect_file(const std::string& path) {
  BITMAR_TRY(const MappedFile mapped, MappedFile::open(path));
  const auto starts_with = [&](std::string_view magic) {
    return mapped.bytes().size() >= magic.size() && std::memcmp(mapped.bytes().data(), magic.data(), magic.size()) == 0;
  };
  const auto inspect = starts_with("GGUF")        ? inspect_gguf
                       : starts_with("\x93NUMPY") ? inspect_npy
                                                  : inspect_safetensors;
  BITMAR_TRY(FileSummary summary, inspect(path));
  summary.file_bytes = mapped.bytes().size();
  return summary;
}

}  // namespace bitmar::cli
