// Values over the steps of a run, and what is done to them before they are drawn.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitmar::report {

inline constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

struct Point {
  double x = 0;
  double y = 0;  // kGap: the line ends here
  bool is_gap() const;
};
using Series = std::vector<Point>;  // by rising x

struct Range {
  double low = 0;
  double high = 0;
};

// Of the values that are finite; nothing where none is.
[[nodiscard]] std::optional<Range> range_of(std::span<const double> values);
[[nodiscard]] std::optional<Range> x_range(std::span<const Point> points);
[[nodiscard]] std::optional<Range> y_range(std::span<const Point> points);
// The smallest that holds both.
[[nodiscard]] std::optional<Range> join(const std::optional<Range>& a, const std::optional<Range>& b);

// Each point's mean with its neighbours, `reach` on both sides and none beyond a gap. Where one side has fewer, the other
// has more, and the straight line fitted to them all is taken at the point (local linear regression): a slope stays in
// its place, and the last point does not stand for itself alone.
[[nodiscard]] Series smooth(std::span<const Point> points, std::size_t reach);

// At most about `limit` points: means over neighbours, never across a gap. Gaps stay.
[[nodiscard]] Series thin(std::span<const Point> points, std::size_t limit);

// The first and the last value that is none of the gaps.
[[nodiscard]] std::optional<Point> first_value(std::span<const Point> points);
[[nodiscard]] std::optional<Point> last_value(std::span<const Point> points);

// To be read: 15,500; 36.8; 0.0021; 1.5e-7.
[[nodiscard]] std::string format_value(double value);

}  // namespace bitmar::report
