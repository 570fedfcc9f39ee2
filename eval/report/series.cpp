#include "eval/report/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitmar::report {
namespace {

template <typename Values, typename Project>
std::optional<Range> finite_range(const Values& values, Project project) {
  std::optional<Range> range;
  for (const auto& value : values) {
    const double number = project(value);
    if (!std::isfinite(number)) continue;
    if (!range) range = Range{number, number};
    range->low = std::min(range->low, number);
    range->high = std::max(range->high, number);
  }
  return range;
}

std::string with_thousands(std::string digits) {
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t place = digits.size(); place > first + 3;) {
    place -= 3;
    digits.insert(place, 1, ',');
  }
  return digits;
}

}  // namespace

bool Point::is_gap() const {
  return !std::isfinite(y);
}

std::optional<Range> range_of(std::span<const double> values) {
  return finite_range(values, [](double value) { return value; });
}

std::optional<Range> x_range(std::span<const Point> points) {
  return finite_range(points, [](const Point& point) { return point.x; });
}

std::optional<Range> y_range(std::span<const Point> points) {
  return finite_range(points, [](const Point& point) { return point.y; });
}

std::optional<Range> join(const std::optional<Range>& a, const std::optional<Range>& b) {
  if (!a || !b) return a ? a : b;
  return Range{std::min(a->low, b->low), std::max(a->high, b->high)};
}

Series smooth(std::span<const Point> points, std::size_t reach) {
  Series smoothed(points.begin(), points.end());
  for (std::size_t begin = 0; begin < points.size();) {
    if (points[begin].is_gap()) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < points.size() && !points[end].is_gap()) ++end;
    const auto stretch = points.subspan(begin, end - begin);
    // The sums of the values up to each, and of each value times its place.
    std::vector<double> sums = {0.0};
    std::vector<double> moments = {0.0};
    for (std::size_t i = 0; i < stretch.size(); ++i) {
      sums.push_back(sums.back() + stretch[i].y);
      moments.push_back(moments.back() + static_cast<double>(i) * stretch[i].y);
    }
    const std::size_t span = std::min(2 * reach, stretch.size() - 1);
    for (std::size_t i = 0; i < stretch.size(); ++i) {
      const std::size_t first = std::min(i - std::min(reach, i), stretch.size() - 1 - span);
      const std::size_t last = first + span;
      const auto count = static_cast<double>(last - first + 1);
      const double mean = (sums[last + 1] - sums[first]) / count;
      const double middle = static_cast<double>(first + last) / 2;
      const double covariance = moments[last + 1] - moments[first] - middle * count * mean;
      const double variance = count * (count * count - 1) / 12;  // of the places about their middle, summed
      const double slope = last > first ? covariance / variance : 0.0;
      smoothed[begin + i].y = mean + slope * (static_cast<double>(i) - middle);
    }
    begin = end;
  }
  return smoothed;
}

Series thin(std::span<const Point> points, std::size_t limit) {
  if (points.size() <= limit || limit == 0) return {points.begin(), points.end()};
  const std::size_t together = (points.size() + limit - 1) / limit;
  Series thinned;
  Point sum;
  std::size_t count = 0;
  const auto close = [&] {
    if (count > 0) thinned.push_back({sum.x / static_cast<double>(count), sum.y / static_cast<double>(count)});
    sum = {};
    count = 0;
  };
  for (const Point& point : points) {
    if (point.is_gap()) {
      close();
      thinned.push_back({point.x, kGap});
      continue;
    }
    sum.x += point.x;
    sum.y += point.y;
    if (++count == together) close();
  }
  close();
  return thinned;
}

std::optional<Point> first_value(std::span<const Point> points) {
  const auto found = std::ranges::find_if_not(points, &Point::is_gap);
  return found == points.end() ? std::nullopt : std::optional(*found);
}

std::optional<Point> last_value(std::span<const Point> points) {
  for (std::size_t i = points.size(); i-- > 0;) {
    if (!points[i].is_gap()) return points[i];
  }
  return std::nullopt;
}

std::string format_value(double value) {
  if (!std::isfinite(value)) return "not finite";
  const double size = std::abs(value);
  if (value == std::round(value) && size < 1e15) return with_thousands(fmt::format("{:.0f}", value));
  if (size >= 1000) return with_thousands(fmt::format("{:.0f}", value));
  if (size >= 100) return fmt::format("{:.1f}", value);
  if (size >= 10) return fmt::format("{:.2f}", value);
  if (size >= 0.1) return fmt::format("{:.3f}", value);
  return fmt::format("{:.3g}", value);
}

}  // namespace bitmar::report
