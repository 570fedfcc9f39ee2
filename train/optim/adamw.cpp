#include "optim/adamw.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "optim/adamw_slot.h"
#include "torch_headers.h"

namespace bitmar {

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWSettings& settings) : state_(std::make_unique<State>()) {
  TORCH_CHECK(settings.beta1 >= 0 && settings.beta1 < 1 && settings.beta2 >= 0 && settings.beta2 < 1,
              "optimizer: beta1 and beta2 must be in [0, 1)");
  TORCH_CHECK(settings.epsilon > 0 && settings.weight_decay >= 0,
              "optimizer: epsilon must be positive, weight decay not negative");
  state_->settings = settings;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    state_->group_names.push_back(groups[group].name);
    for (const NamedParameter& parameter : groups[group].parameters) {
      TORCH_CHECK(state_->index.emplace(parameter.name, state_->slots.size()).second, "optimizer: parameter '",
                  parameter.name, "' is in two groups");
      state_->slots.emplace_back(parameter, groups[group], group);
    }
  }
  state_->frozen.resize(groups.size(), false);
}

AdamW::AdamW(AdamW&&) noexcept = default;
AdamW& AdamW::operator=(AdamW&&) noexcept = default;
AdamW::~AdamW() = default;

void AdamW::add_row_gradient(std::string_view name, const torch::Tensor& rows, const torch::Tensor& values) {
  const torch::NoGradGuard no_grad;
  const auto found = state_->index.find(std::string(name));
  TORCH_CHECK(found != state_->index.end(), "optimizer: no parameter '", std::string(name), "'");
  state_->slots[found->second].add_rows(rows, values);
}

void AdamW::collect_row_gradients() {
  const torch::NoGradGuard no_grad;
  for (Slot& slot : state_->slots) {
    if (slot.row_sparse) slot.collect_rows();
  }
}

std::vector<std::pair<std::string, double>> AdamW::gradient_norms() {
  collect_row_gradients();
  const torch::NoGradGuard no_grad;
  std::vector<std::pair<std::string, double>> norms;
  for (const Slot& slot : state_->slots) {
    const torch::Tensor norm = slot.gradient_norm();
    if (norm.defined()) norms.emplace_back(slot.name, norm.item<double>());
  }
  return norms;
}

double AdamW::clip_gradients(double maximum_norm) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> norms;
  state_->each_active([&](Slot& slot) {
    if (slot.row_sparse) slot.collect_rows();
    const torch::Tensor norm = slot.gradient_norm();
    if (norm.defined()) norms.push_back(norm.to(torch::kFloat64));
  });
  if (norms.empty()) return 0;
  double squares = 0;
  const torch::Tensor together = torch::stack(norms).cpu();
  for (std::int64_t i = 0; i < together.numel(); ++i) squares += std::pow(together[i].item<double>(), 2);
  const double norm = std::sqrt(squares);
  if (maximum_norm > 0 && std::isfinite(norm) && norm > maximum_norm) {
    const double factor = maximum_norm / norm;
    state_->each_active([&](Slot& slot) { slot.scale_gradient(factor); });
  }
  return norm;
}

void AdamW::scale_gradients(double factor) {
  const torch::NoGradGuard no_grad;
  collect_row_gradients();
  for (Slot& slot : state_->slots) slot.scale_gradient(factor);
}

void AdamW::step(double learning_rate) {
  const torch::NoGradGuard no_grad;
  state_->each_active([&](Slot& slot) { slot.step(learning_rate, state_->settings); });
}

void AdamW::zero_gradients() {
  const torch::NoGradGuard no_grad;
  for (Slot& slot : state_->slots) slot.clear_gradient();
}

void AdamW::set_frozen(std::string_view group, bool frozen) {
  TORCH_CHECK(has_group(group), "optimizer: no group '", std::string(group), "'");
  for (std::size_t i = 0; i < state_->group_names.size(); ++i) {
    if (state_->group_names[i] == group) state_->frozen[i] = frozen;
  }
}

bool AdamW::has_group(std::string_view group) const {
  return std::ranges::find(state_->group_names, group) != state_->group_names.end();
}

void AdamW::apply_pending_decay() {
  const torch::NoGradGuard no_grad;
  for (Slot& slot : state_->slots) slot.apply_pending_decay();
}

NamedTensors AdamW::state() const {
  NamedTensors all;
  for (const Slot& slot : state_->slots) {
    for (auto& [suffix, tensor] : slot.state()) all.emplace_back(slot.name + "." + suffix, tensor);
  }
  return all;
}

void AdamW::load_state(const NamedTensors& state) {
  const torch::NoGradGuard no_grad;
  std::unordered_map<std::string, torch::Tensor> given(state.begin(), state.end());
  const NamedTensors own = this->state();
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    TORCH_CHECK(found != given.end(), "optimizer state: '", name, "' is missing");
    TORCH_CHECK(found->second.sizes() == tensor.sizes() && found->second.scalar_type() == tensor.scalar_type(),
                "optimizer state: '", name, "' has another shape or type");
  }
  TORCH_CHECK(given.size() == own.size(), "optimizer state: ", given.size(), " tensors, expected ", own.size());
  for (const auto& [name, tensor] : own) torch::Tensor(tensor).copy_(given.at(name));
}

}  // namespace bitmar
