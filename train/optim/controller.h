// The adaptive controller (docs/model.md): watches the cross-modal cosine and, when alignment falls,
// intervenes for a while. A state machine that knows nothing of the model: the training loop obeys `active()`.
//
//   if (const auto now = controller.update(step, cosine)) log(*now);
//   freeze the parameter group that controller.active() names
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/key_error.h"
#include "base/random.h"
#include "base/result.h"

namespace bitmar {

enum class Intervention { kNone, kFreezeTextEncoder, kFreezeVision, kFreezeMemory, kRaiseContrast };
// "none", "freeze-text-encoder", "freeze-vision", "freeze-memory", "raise-contrast".
[[nodiscard]] std::string_view intervention_name(Intervention intervention);
[[nodiscard]] Result<Intervention> parse_intervention(std::string_view name);

struct ControllerSettings {
  bool enabled = true;
  double average_steps = 200;          // the EMA's decay is 1 - 1/average_steps, started at the first value
  double drop = 0.12;                  // below the recent maximum of the EMA
  std::uint64_t recent_steps = 2000;   // the window of "recent"
  std::uint64_t cooldown_steps = 800;  // after an intervention's end, and after the first step
  std::uint64_t duration_steps = 1500;
  double contrast_factor = 2.0;  // for kRaiseContrast: the loop multiplies lambda_x by it
  std::vector<Intervention> choices = {Intervention::kFreezeTextEncoder, Intervention::kFreezeVision,
                                       Intervention::kFreezeMemory, Intervention::kRaiseContrast};
  std::uint64_t seed = 1;
  [[nodiscard]] Validity validate() const;
};

class AdaptiveController {
 public:
  explicit AdaptiveController(const ControllerSettings& settings);

  // Takes one step's cross-modal cosine (steps in rising order). Returns the new intervention where one starts or, as
  // kNone, where one ends at this step.
  std::optional<Intervention> update(std::uint64_t step, double cosine);

  [[nodiscard]] Intervention active() const { return active_; }
  [[nodiscard]] bool started() const { return started_; }    // there is an average
  [[nodiscard]] double average() const { return average_; }  // the EMA
  [[nodiscard]] double recent_maximum() const;               // of the EMA; 0 before the first update
  // lambda_x's factor now: contrast_factor while kRaiseContrast is active, else 1.
  [[nodiscard]] double contrast_factor() const;

  // The whole state as JSON, exact.
  [[nodiscard]] std::string save() const;
  [[nodiscard]] Result<void> restore(const std::string& state);

 private:
  ControllerSettings settings_;
  Random random_;
  bool started_ = false;
  double average_ = 0;
  Intervention active_ = Intervention::kNone;
  std::uint64_t until_ = 0;                              // the active intervention's end
  std::uint64_t ready_ = 0;                              // no intervention before this step
  std::deque<std::pair<std::uint64_t, double>> maxima_;  // (step, EMA), EMA falling: the window's maximum is the first
};

}  // namespace bitmar
