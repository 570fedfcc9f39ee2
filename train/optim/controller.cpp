#include "optim/controller.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace bitmar {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<Intervention, std::string_view>, 5> kNames = {{
    {Intervention::kNone, "none"},
    {Intervention::kFreezeTextEncoder, "freeze-text-encoder"},
    {Intervention::kFreezeVision, "freeze-vision"},
    {Intervention::kFreezeMemory, "freeze-memory"},
    {Intervention::kRaiseContrast, "raise-contrast"},
}};

}  // namespace

std::string_view intervention_name(Intervention intervention) {
  return kNames[static_cast<std::size_t>(intervention)].second;
}

Result<Intervention> parse_intervention(std::string_view name) {
  for (const auto& [intervention, known] : kNames) {
    if (known == name) return intervention;
  }
  return fail(ErrorCode::kInvalidArgument,
              "unknown intervention '{}', expected freeze-text-encoder, freeze-vision, freeze-memory or raise-contrast",
              name);
}

Validity ControllerSettings::validate() const {
  if (!(average_steps >= 1) || !std::isfinite(average_steps)) {
    return fail_key(ErrorCode::kInvalidArgument, "average_steps", "controller.average_steps is {}, expected at least 1",
                    average_steps);
  }
  if (!(drop > 0))
    return fail_key(ErrorCode::kInvalidArgument, "drop", "controller.drop is {}, expected more than 0", drop);
  for (const auto& [key, value] :
       {std::pair{"recent_steps", recent_steps}, std::pair{"duration_steps", duration_steps}}) {
    if (value == 0) return fail_key(ErrorCode::kInvalidArgument, key, "controller.{} is 0, expected at least 1", key);
  }
  if (!(contrast_factor > 0) || !std::isfinite(contrast_factor)) {
    return fail_key(ErrorCode::kInvalidArgument, "contrast_factor",
                    "controller.contrast_factor is {}, expected more than 0", contrast_factor);
  }
  for (const Intervention choice : choices) {
    if (choice == Intervention::kNone)
      return fail_key(ErrorCode::kInvalidArgument, "choices", "controller.choices: 'none' is none");
  }
  if (enabled && choices.empty())
    return fail_key(ErrorCode::kInvalidArgument, "choices", "controller.choices is empty");
  return {};
}

AdaptiveController::AdaptiveController(const ControllerSettings& settings)
    : settings_(settings), random_(settings.seed) {}

std::optional<Intervention> AdaptiveController::update(std::uint64_t step, double cosine) {
  if (!settings_.enabled || !std::isfinite(cosine)) return std::nullopt;
  if (!started_) {
    started_ = true;
    average_ = cosine;
    ready_ = step + settings_.cooldown_steps;
  } else {
    average_ += (cosine - average_) / settings_.average_steps;
  }
  while (!maxima_.empty() && maxima_.back().second <= average_) maxima_.pop_back();
  maxima_.emplace_back(step, average_);
  while (maxima_.front().first + settings_.recent_steps <= step) maxima_.pop_front();

  if (active_ != Intervention::kNone) {
    if (step < until_) return std::nullopt;
    active_ = Intervention::kNone;
    ready_ = step + settings_.cooldown_steps;
    return active_;
  }
  if (step < ready_ || average_ > recent_maximum() - settings_.drop) return std::nullopt;
  active_ = settings_.choices[random_.below(settings_.choices.size())];
  until_ = step + settings_.duration_steps;
  return active_;
}

double AdaptiveController::recent_maximum() const {
  return maxima_.empty() ? 0.0 : maxima_.front().second;
}

double AdaptiveController::contrast_factor() const {
  return active_ == Intervention::kRaiseContrast ? settings_.contrast_factor : 1.0;
}

std::string AdaptiveController::save() const {
  // nlohmann writes doubles with the digits that restore them exactly.
  return json{
      {"random", random_.state()}, {"started", started_}, {"average", average_}, {"active", intervention_name(active_)},
      {"until", until_},           {"ready", ready_},     {"maxima", maxima_}}
      .dump();
}

Result<void> AdaptiveController::restore(const std::string& state) {
  const auto invalid = [] { return fail(ErrorCode::kInvalidFile, "controller state: not one that was saved"); };
  const json root = json::parse(state, nullptr, false);
  if (!root.is_object()) return invalid();
  try {
    AdaptiveController restored(settings_);
    restored.random_ = Random(root.at("random").get<Random::State>());
    restored.started_ = root.at("started").get<bool>();
    restored.average_ = root.at("average").get<double>();
    BITMAR_TRY(restored.active_, parse_intervention(root.at("active").get<std::string>()));
    restored.until_ = root.at("until").get<std::uint64_t>();
    restored.ready_ = root.at("ready").get<std::uint64_t>();
    restored.maxima_ = root.at("maxima").get<std::deque<std::pair<std::uint64_t, double>>>();
    if (restored.started_ && restored.maxima_.empty()) return invalid();
    *this = std::move(restored);
  } catch (const json::exception&) {
    return invalid();
  }
  return {};
}

}  // namespace bitmar
