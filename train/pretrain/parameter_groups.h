// Which parameters learn together: the parts that can be frozen, and within each the matrices (weight decay), the
// ternary scales and the memory's read sharpness (a learning rate of their own) and the rest.
#pragma once

#include <vector>

#include "nn/bitmar_model.h"
#include "objective/contrastive_loss.h"
#include "optim/adamw.h"

namespace bitmar {

inline constexpr const char* kTextEncoderGroup = "text-encoder";
inline constexpr const char* kVisionGroup = "vision";
inline constexpr const char* kMemoryGroup = "memory";

struct GroupSettings {
  double scale_learning_rate = 0.1;      // of the ternary scales, times the others'
  double sharpness_learning_rate = 1.0;  // of the memory's read sharpness, likewise
  StatePrecision state = StatePrecision::kBlockwise8;
  bool row_sparse_head = false;  // under a sampled vocabulary
};

// Of the model alone: "embedding", "text-encoder", "vision", "fusion", "memory", "decoder", "head".
[[nodiscard]] std::vector<ParameterGroup> model_parameter_groups(BitmarModel& model, const GroupSettings& settings);
// And of the contrastive loss, "contrast".
[[nodiscard]] std::vector<ParameterGroup> parameter_groups(BitmarModel& model, ContrastiveLoss& contrast,
                                                           const GroupSettings& settings);

}  // namespace bitmar
