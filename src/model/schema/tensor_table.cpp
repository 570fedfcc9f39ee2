#include "model/schema/tensor_table.h"

#include <fmt/format.h>

#include <utility>

namespace bitmar {
namespace {

class Table {
 public:
  void add(std::string name, std::vector<std::uint64_t> shape, TensorKind kind) {
    specs_.push_back({std::move(name), std::move(shape), kind});
  }
  void ternary(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    add(name + ".weight", {rows, columns}, TensorKind::kTernary);
  }
  void norm(const std::string& name, std::uint64_t width, TensorKind kind) {
    add(name + ".weight", {width}, kind);
    add(name + ".bias", {width}, kind);
  }
  std::vector<TensorSpec> take() && { return std::move(specs_); }

 private:
  std::vector<TensorSpec> specs_;
};

void add_attention(Table& table, const std::string& prefix, std::uint64_t d) {
  for (const auto* part : {"query", "key", "value", "output"}) table.ternary(prefix + "." + part, d, d);
  table.norm(prefix + ".output_norm", d, TensorKind::kFloat16);
}

void add_text_layer(Table& table, const std::string& prefix, const ModelConfig& config) {
  const std::uint64_t d = config.width;
  const std::uint64_t f = config.ffn_hidden;
  table.norm(prefix + ".attention_norm", d, TensorKind::kFloat16);
  add_attention(table, prefix + ".attention", d);
  table.norm(prefix + ".ffn_norm", d, TensorKind::kFloat16);
  table.ternary(prefix + ".ffn.up", f, d);
  table.norm(prefix + ".ffn.down_norm", f, TensorKind::kFloat16);
  table.ternary(prefix + ".ffn.down", d, f);
}

// The matrices of a tower's blocks and patch embedding, by the tower's precision.
TensorKind matrix_kind(TowerPrecision precision, bool block) {
  switch (precision) {
    case TowerPrecision::kFloat32:
      return TensorKind::kFloat32;
    case TowerPrecision::kInt8:
      return TensorKind::kInt8Rows;
    case TowerPrecision::kTernary:
      return block ? TensorKind::kTernary : TensorKind::kInt8Rows;
  }
  return TensorKind::kFloat32;
}

void add_tower(Table& table, const VisionTowerConfig& config) {
  const std::uint64_t width = config.width;
  const std::uint64_t patch_values = 3ull * config.patch_size * config.patch_size;
  const std::uint64_t positions = 1ull + static_cast<std::uint64_t>(config.position_grid) * config.position_grid;
  // A ternary tower is small: its other parameters are kept in F16. Others keep what their source had.
  const TensorKind other = config.precision == TowerPrecision::kTernary ? TensorKind::kFloat16 : TensorKind::kFloat32;
  const TensorKind matrix = matrix_kind(config.precision, true);
  const auto linear = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    table.add(name + ".weight", {rows, columns}, matrix);
    table.add(name + ".bias", {rows}, other);
  };

  const std::string tower = "vision_tower.";
  table.add(tower + "patch_embedding.weight", {width, patch_values}, matrix_kind(config.precision, false));
  table.add(tower + "patch_embedding.bias", {width}, other);
  table.add(tower + "class_token", {width}, other);
  if (config.register_tokens > 0) table.add(tower + "register_tokens", {config.register_tokens, width}, other);
  table.add(tower + "position_embedding", {positions, width}, other);
  for (std::uint32_t layer = 0; layer < config.depth; ++layer) {
    const std::string block = fmt::format("{}{}.", tower, layer);
    table.norm(block + "attention_norm", width, other);
    for (const auto* part : {"query", "key", "value", "output"}) linear(block + "attention." + part, width, width);
    if (config.layer_scale) table.add(block + "attention_scale", {width}, other);
    table.norm(block + "mlp_norm", width, other);
    // SwiGLU: `up` holds gate and value one above the other.
    const std::uint64_t up_rows = config.mlp == TowerMlp::kSwiGlu ? 2ull * config.mlp_hidden : config.mlp_hidden;
    linear(block + "mlp.up", up_rows, width);
    linear(block + "mlp.down", width, config.mlp_hidden);
    if (config.layer_scale) table.add(block + "mlp_scale", {width}, other);
  }
  table.norm(tower + "norm", width, other);
}

}  // namespace

std::uint64_t TensorSpec::elements() const {
  std::uint64_t product = 1;
  for (const auto extent : shape) product *= extent;
  return product;
}

std::vector<TensorSpec> tower_tensor_table(const VisionTowerConfig& config) {
  Table table;
  add_tower(table, config);
  return std::move(table).take();
}

std::vector<TensorSpec> tensor_table(const ModelConfig& config) {
  Table table;
  const std::uint64_t d = config.width;
  table.add("token_embedding.weight", {config.vocabulary, d}, TensorKind::kInt8Rows);
  for (std::uint32_t layer = 0; layer < config.encoder_layers; ++layer) {
    add_text_layer(table, fmt::format("encoder.{}", layer), config);
  }
  table.norm("encoder.norm", d, TensorKind::kFloat16);

  table.ternary("vision.compression.0", config.compression_hidden, config.vision_width);
  table.ternary("vision.compression.1", d, config.compression_hidden);
  table.norm("vision.norm", d, TensorKind::kFloat16);
  table.add("vision.null_token", {d}, TensorKind::kFloat16);
  add_attention(table, "fusion.attention", d);
  table.norm("fusion.norm", d, TensorKind::kFloat16);

  if (config.memory) {
    if (config.query == QueryKind::kExponential) table.add("memory.query_decay", {1}, TensorKind::kFloat32);
    table.add("memory.read_sharpness", {1}, TensorKind::kFloat32);
    table.ternary("memory.write", config.memory_slots, d);
  }

  if (config.injection == InjectionKind::kConcatenate) {
    table.ternary("decoder.input", d, config.memory ? 3 * d : 2 * d);
  } else {
    table.ternary("decoder.fusion", d, d);
    if (config.memory) table.ternary("decoder.memory", d, d);
  }
  for (std::uint32_t layer = 0; layer < config.decoder_layers; ++layer) {
    const std::string prefix = fmt::format("decoder.{}", layer);
    if (config.memory) {
      table.ternary(prefix + ".memory", d, d);
      table.add(prefix + ".memory_gate", {1}, TensorKind::kFloat32);
    }
    add_text_layer(table, prefix, config);
  }
  table.norm("decoder.norm", d, TensorKind::kFloat16);
  table.ternary("output", config.vocabulary, d);

  if (config.tower) add_tower(table, *config.tower);
  if (config.memory) {
    table.add("memory.slots", {config.memory_slots, d}, TensorKind::kFloat16);
    table.add("memory.usage", {config.memory_slots}, TensorKind::kFloat32);
  }
  return std::move(table).take();
}

bool is_memory_state(const TensorSpec& spec) {
  return spec.name == "memory.slots" || spec.name == "memory.usage";
}

std::uint64_t parameter_count(const std::vector<TensorSpec>& table) {
  std::uint64_t count = 0;
  for (const auto& spec : table) {
    if (is_memory_state(spec)) continue;
    count += spec.elements();
    if (spec.kind == TensorKind::kTernary) count += 1;
    if (spec.kind == TensorKind::kInt8Rows) count += spec.shape.front();
  }
  return count;
}

}  // namespace bitmar
