// Dynamic loss scaling for FP16 autocast: halve on overflow, double after a run of good steps.
#pragma once

#include <cstdint>

namespace bitmar {

class LossScaler {
 public:
  struct State {
    double scale = 65536.0;
    std::uint32_t good_steps = 0;
  };

  // Disabled, the scale is always 1 and every finite step is taken.
  explicit LossScaler(bool enabled) : enabled_(enabled) {}

  [[nodiscard]] double scale() const { return enabled_ ? state_.scale : 1.0; }
  // Takes whether the step's gradients were finite; true where the optimizer may step.
  bool update(bool finite) {
    if (!enabled_) return finite;
    if (!finite) {
      state_.scale = state_.scale > 2.0 ? state_.scale * 0.5 : 1.0;
      state_.good_steps = 0;
    } else if (++state_.good_steps == kGrowthInterval) {
      state_.scale *= 2.0;
      state_.good_steps = 0;
    }
    return finite;
  }

  [[nodiscard]] const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  static constexpr std::uint32_t kGrowthInterval = 2000;
  bool enabled_;
  State state_;
};

}  // namespace bitmar
