#include "eval/report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bitmar::report {
namespace {

// The smallest of 1, 2 and 5 times a power of ten that is at least `size`.
double round_up(double size) {
  const double power = std::pow(10.0, std::floor(std::log10(size)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= size * (1.0 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

double tick_distance(Range range, std::size_t ticks) {
  return round_up((range.high - range.low) / static_cast<double>(std::max<std::size_t>(ticks, 1)));
}

// 2e-05 -> 2e-5
std::string short_exponent(double value) {
  std::string text = fmt::format("{:.3g}", value);
  if (const auto place = text.find("e-0"); place != std::string::npos) text.erase(place + 2, 1);
  if (const auto place = text.find("e+0"); place != std::string::npos) text.erase(place + 1, 2);
  return text;
}

// All in one unit, with the decimals that tell them apart.
std::vector<Tick> labelled(const std::vector<double>& values, double distance) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  double unit = 1;
  std::string suffix;
  if (largest >= 1e10) {
    unit = 1e9;
    suffix = " G";
  } else if (largest >= 1e7 || (largest >= 1e6 && distance >= 1e5)) {
    unit = 1e6;
    suffix = " M";
  } else if (largest >= 1e4 || (largest >= 1e3 && distance >= 500)) {
    unit = 1e3;
    suffix = " k";
  }
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(distance / unit) + 1e-9)));
  std::vector<Tick> ticks;
  for (const double value : values) {
    if (std::abs(value) < distance * 1e-6) {
      ticks.push_back({0.0, "0"});
    } else if (decimals > 4) {
      ticks.push_back({value, short_exponent(value)});
    } else {
      ticks.push_back({value, fmt::format("{:.{}f}{}", value / unit, decimals, suffix)});
    }
  }
  return ticks;
}

std::vector<Tick> linear_ticks(Range range, double distance) {
  const double tolerance = 1e-6;
  std::vector<double> values;
  for (double index = std::ceil(range.low / distance - tolerance);
       index * distance <= range.high + tolerance * distance; ++index) {
    values.push_back(index * distance);
  }
  return labelled(values, distance);
}

std::string power_label(double value) {
  if (value >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:g} k", value / 1e3);
  return value >= 1e-4 ? fmt::format("{:g}", value) : short_exponent(value);
}

// 1, 2 and 5 times the powers of ten; of many powers, every one or every n-th alone.
std::vector<Tick> power_ticks(Range range, std::size_t count) {
  const double first = std::floor(std::log10(range.low));
  const double last = std::ceil(std::log10(range.high));
  const double powers = std::log10(range.high / range.low);
  const double every = std::max(1.0, std::ceil(powers / static_cast<double>(std::max<std::size_t>(count, 1))));
  const bool between = 3.0 * powers <= 2.0 * static_cast<double>(count);
  std::vector<Tick> ticks;
  for (double power = every * std::floor(first / every); power <= last; power += every) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      if (factor > 1 && !between) continue;
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9)) {
        ticks.push_back({value, power_label(value)});
      }
    }
  }
  return ticks;
}

}  // namespace

Axis Axis::linear(Range data, Range places, std::size_t ticks, Ends ends) {
  if (!(data.high > data.low)) {
    const double around = data.low == 0 ? 1.0 : 0.1 * std::abs(data.low);
    data = {data.low - around, data.low + around};
  }
  const double distance = tick_distance(data, ticks);
  if (ends == Ends::kRound) {
    data.low = distance * std::floor(data.low / distance + 1e-6);
    data.high = distance * std::ceil(data.high / distance - 1e-6);
  }
  Axis axis(data, places, false);
  axis.ticks_ = linear_ticks(data, distance);
  return axis;
}

Axis Axis::logarithmic(Range data, Range places, std::size_t ticks) {
  assert(data.low > 0);
  if (!(data.high > data.low)) data = {data.low / 1.5, data.low * 1.5};
  const double margin = std::pow(data.high / data.low, 0.04);
  data = {data.low / margin, data.high * margin};
  Axis axis(data, places, true);
  axis.ticks_ = power_ticks(data, ticks);
  if (axis.ticks_.size() < 3) axis.ticks_ = linear_ticks(data, tick_distance(data, 2 * ticks));
  return axis;
}

double Axis::place(double value) const {
  const double share = logarithmic_ ? std::log(value / range_.low) / std::log(range_.high / range_.low)
                                    : (value - range_.low) / (range_.high - range_.low);
  return places_.low + share * (places_.high - places_.low);
}

}  // namespace bitmar::report
