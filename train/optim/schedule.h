// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/key_error.h"
#include "base/result.h"

namespace bitmar {

enum class ScheduleKind {
  kConstant,
  kCosine,          // down to the floor at total_steps
  kCosineRestarts,  // SGDR (Loshchilov & Hutter 2017): periods T0, T0*Tmult, … counted from the end of warm-up
};
// "constant", "cosine", "cosine-restarts".
[[nodiscard]] Result<ScheduleKind> parse_schedule_kind(std::string_view name);

struct ScheduleSettings {
  ScheduleKind kind = ScheduleKind::kCosineRestarts;
  double peak = 2e-3;
  double floor_ratio = 0.1;              // eta_min / eta
  std::uint64_t warmup_steps = 200;      // linear: step s of them has peak * (s + 1) / warmup_steps
  std::uint64_t total_steps = 0;         // kCosine only
  std::uint64_t restart_period = 1000;   // T0
  std::uint64_t restart_multiplier = 2;  // Tmult
  [[nodiscard]] Validity validate() const;
};

// The rate of the update after which `step` + 1 updates are done (the first has step 0).
[[nodiscard]] double learning_rate(const ScheduleSettings& settings, std::uint64_t step);

}  // namespace bitmar
