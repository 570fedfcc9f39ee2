#include "file_inspection.h"

#include <algorithm>
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

namespace bitmar::cli {
namespace {

constexpr std::size_t kLongestArray = 8;

nlohmann::ordered_json to_json(const GgufValue& value) {
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
    summary.tensors.push_back(std::move(tensor));
  }
  summary.parameters = parameter_count(table);
  return {};
}

Result<FileSummary> inspect_gguf(const std::string& path) {
  FileSummary summary;
  BITMAR_TRY(const GgufFile file, GgufFile::open(path));
  for (const auto& [key, value] : file.metadata()) summary.metadata[key] = to_json(value);
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
    }
  }
  return summary;
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
  }
  return summary;
}

Result<FileSummary> inspect_npy(const std::string& path) {
  FileSummary summary;
  summary.kind = "NumPy array";
  BITMAR_TRY(const NpyFile file, NpyFile::open(path));
  summary.tensors.push_back({path, std::string(data_type_name(file.type())), file.shape(), file.bytes().size(), -1});
  summary.parameters = file.elements();
  return summary;
}

}  // namespace

Result<FileSummary> inspect_file(const std::string& path) {
  BITMAR_TRY(const MappedFile mapped, MappedFile::open(path));
  const auto starts_with = [&](std::string_view magic) {
    return mapped.bytes().size() >= magic.size() &&
           std::memcmp(mapped.bytes().data(), magic.data(), magic.size()) == 0;
  };
  const auto inspect = starts_with("GGUF") ? inspect_gguf : starts_with("\x93NUMPY") ? inspect_npy : inspect_safetensors;
  BITMAR_TRY(FileSummary summary, inspect(path));
  summary.file_bytes = mapped.bytes().size();
  return summary;
}

}  // namespace bitmar::cli
