// Runs a scope's matrix products in BF16 or FP16, as torch.autocast does.
#pragma once

#include <ATen/autocast_mode.h>

#include "config/autocast_mode.h"

namespace bitmar {

class AutocastScope {
 public:
  AutocastScope(Autocast mode, torch::Device device)
      : device_(device.type()), previous_(at::autocast::is_autocast_enabled(device_)) {
    if (mode == Autocast::kOff) return;
    at::autocast::set_autocast_dtype(device_, mode == Autocast::kFloat16 ? at::kHalf : at::kBFloat16);
    at::autocast::set_autocast_enabled(device_, true);
  }
  ~AutocastScope() {
    at::autocast::set_autocast_enabled(device_, previous_);
    if (!previous_) at::autocast::clear_cache();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool previous_;
};

}  // namespace bitmar
