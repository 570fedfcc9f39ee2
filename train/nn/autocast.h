// Runs a scope's matrix products in BF16 or FP16, as torch.autocast does; kOff in FP32, also within another such scope.
#pragma once

#include <ATen/autocast_mode.h>

#include "config/autocast_mode.h"

namespace bitmar {

// What autocast does on a kind of device. It belongs to a thread and ends with its scope: what is to be computed again
// later, as a backward pass does, needs it kept.
struct AutocastState {
  at::DeviceType device;
  bool enabled;
  at::ScalarType type;

  static AutocastState of(at::DeviceType device) {
    return {device, at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
  }
  void set() const {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, type);
  }
};

class AutocastScope {
 public:
  explicit AutocastScope(const AutocastState& state) : previous_(AutocastState::of(state.device)) { state.set(); }
  AutocastScope(Autocast mode, torch::Device device)
      : AutocastScope(AutocastState{device.type(), mode != Autocast::kOff,
                                    mode == Autocast::kFloat16 ? at::kHalf : at::kBFloat16}) {}
  ~AutocastScope() {
    previous_.set();
    if (!previous_.enabled) at::autocast::clear_cache();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  AutocastState previous_;
};

}  // namespace bitmar
