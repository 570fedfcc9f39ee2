// The one table of all tensors of a model: names, logical shapes, storage. The trainer's modules, the exporter, the
// runtime's loader and `bitmar inspect` read it; nothing else knows a tensor's name or shape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/schema/config.h"

namespace bitmar {

enum class TensorKind {
  kTernary,   // BitLinear weight [rows, columns]: I8 tensor of packed bytes; rows, columns and scale in the metadata
  kInt8Rows,  // [rows, columns]: I8 tensor, and `<name>_scale` F16 [rows]; value = code * scale
  kFloat32,
  kFloat16,  // FP32 in training and at run time, rounded to F16 in the file
};

struct TensorSpec {
  std::string name;
  std::vector<std::uint64_t> shape;  // row-major, slowest first; a vector has one entry
  TensorKind kind;

  [[nodiscard]] std::uint64_t elements() const;
};

// Every tensor of the tower: "vision_tower.…".
[[nodiscard]] std::vector<TensorSpec> tower_tensor_table(const VisionTowerConfig& config);

// Every tensor of the model, the tower's included where it has one. The memory's state (memory.slots, memory.usage)
// is listed last; it is state, not a parameter.
[[nodiscard]] std::vector<TensorSpec> tensor_table(const ModelConfig& config);

// True for the tensors that hold the memory's state rather than learned parameters.
[[nodiscard]] bool is_memory_state(const TensorSpec& spec);

// Learned parameters, the scales of quantized matrices included (one per ternary matrix, one per int8 row).
[[nodiscard]] std::uint64_t parameter_count(const std::vector<TensorSpec>& table);

}  // namespace bitmar
