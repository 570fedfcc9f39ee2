#include "pretrain/parameter_groups.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace bitmar {
namespace {

enum class Role { kMatrix, kScale, kSharpness, kOther };

std::string part_of(std::string_view name) {
  if (name.starts_with("token_embedding.")) return "embedding";
  if (name.starts_with("encoder.")) return kTextEncoderGroup;
  if (name.starts_with("vision.")) return kVisionGroup;
  if (name.starts_with("memory.")) return kMemoryGroup;
  if (name.starts_with("output.")) return "head";
  return std::string(name.substr(0, name.find('.')));  // fusion, decoder
}

Role role_of(std::string_view name, const torch::Tensor& value) {
  if (name.ends_with(".scale")) return Role::kScale;
  if (name == "memory.read_sharpness") return Role::kSharpness;
  return value.dim() == 2 ? Role::kMatrix : Role::kOther;
}

}  // namespace

std::vector<ParameterGroup> model_parameter_groups(BitmarModel& model, const GroupSettings& settings) {
  std::map<std::pair<std::string, Role>, ParameterGroup> groups;
  for (const auto& item : model->named_parameters()) {
    const std::string part = part_of(item.key());
    const Role role = role_of(item.key(), item.value());
    auto& group = groups[{part, role}];
    group.name = part;
    group.parameters.push_back({item.key(), item.value()});
    group.weight_decay = role == Role::kMatrix;
    if (role == Role::kScale) group.learning_rate_multiplier = settings.scale_learning_rate;
    if (role == Role::kSharpness) group.learning_rate_multiplier = settings.sharpness_learning_rate;
    const bool vocabulary = role == Role::kMatrix && (part == "embedding" || part == "head");
    group.state = vocabulary ? StatePrecision::kFloat32 : settings.state;
    group.row_sparse = role == Role::kMatrix && (part == "embedding" || (part == "head" && settings.row_sparse_head));
  }
  std::vector<ParameterGroup> result;
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  return result;
}

std::vector<ParameterGroup> parameter_groups(BitmarModel& model, ContrastiveLoss& contrast,
                                             const GroupSettings& settings) {
  std::vector<ParameterGroup> result = model_parameter_groups(model, settings);
  ParameterGroup temperature;
  temperature.name = "contrast";
  temperature.weight_decay = false;
  temperature.state = settings.state;
  for (const auto& item : contrast->named_parameters()) {
    temperature.parameters.push_back({"contrast." + item.key(), item.value()});
  }
  result.push_back(std::move(temperature));
  return result;
}

}  // namespace bitmar
