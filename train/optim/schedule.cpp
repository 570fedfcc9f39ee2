#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace bitmar {

Result<ScheduleKind> parse_schedule_kind(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "cosine-restarts") return ScheduleKind::kCosineRestarts;
  return fail(ErrorCode::kInvalidArgument, "unknown schedule '{}', expected constant, cosine or cosine-restarts", name);
}

Validity ScheduleSettings::validate() const {
  if (!std::isfinite(peak) || peak <= 0) {
    return fail_key(ErrorCode::kInvalidArgument, "peak", "schedule.peak is {}, expected more than 0", peak);
  }
  if (!(floor_ratio >= 0 && floor_ratio <= 1)) {
    return fail_key(ErrorCode::kInvalidArgument, "floor_ratio", "schedule.floor_ratio is {}, expected 0 to 1",
                    floor_ratio);
  }
  if (kind == ScheduleKind::kCosine && total_steps <= warmup_steps) {
    return fail_key(ErrorCode::kInvalidArgument, "total_steps",
                    "schedule.total_steps is {}, expected more than the {} warm-up steps", total_steps, warmup_steps);
  }
  if (kind == ScheduleKind::kCosineRestarts) {
    for (const auto& [key, value] :
         {std::pair{"restart_period", restart_period}, std::pair{"restart_multiplier", restart_multiplier}}) {
      if (value == 0) return fail_key(ErrorCode::kInvalidArgument, key, "schedule.{} is 0, expected at least 1", key);
    }
  }
  return {};
}

double learning_rate(const ScheduleSettings& settings, std::uint64_t step) {
  if (step < settings.warmup_steps) {
    return settings.peak * static_cast<double>(step + 1) / static_cast<double>(settings.warmup_steps);
  }
  if (settings.kind == ScheduleKind::kConstant) return settings.peak;
  std::uint64_t position = step - settings.warmup_steps;
  std::uint64_t period = settings.restart_period;
  if (settings.kind == ScheduleKind::kCosine) {
    period = settings.total_steps - settings.warmup_steps;
    position = std::min(position, period);
  } else if (settings.restart_multiplier == 1) {
    position %= period;
  } else {
    while (position >= period) {
      position -= period;
      period *= settings.restart_multiplier;
    }
  }
  const double floor = settings.peak * settings.floor_ratio;
  const double phase = static_cast<double>(position) / static_cast<double>(period);
  return floor + 0.5 * (settings.peak - floor) * (1.0 + std::cos(std::numbers::pi * phase));
}

}  // namespace bitmar
