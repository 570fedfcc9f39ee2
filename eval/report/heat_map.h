// A matrix as colours, with axes and a colour bar. The colours are viridis: their lightness rises with the value, so
// they are read with any colour vision, and in print.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/report/series.h"
#include "eval/report/svg.h"

namespace bitmar::report {

struct HeatMap {
  std::string x_label = {};
  std::string y_label = {};
  std::string value_label = {};
  // Where the columns begin and end on a numeric x axis, rising: columns + 1 numbers. Empty: the columns have names.
  std::vector<double> column_edges = {};
  std::vector<std::string> column_names = {};
  std::vector<std::string> row_names = {};        // empty: rows are numbered from 0 on a numeric y axis, upwards
  std::vector<std::vector<double>> columns = {};  // [columns][rows]; NaN or absent: no value, left white
  Range limits = {};                              // of the colours
  bool logarithmic = false;                       // then limits.low is above 0, and smaller values have its colour
};

// Columns at these steps, each from halfway to its neighbours: the edges.
[[nodiscard]] std::vector<double> edges_between(std::span<const double> steps);

// 0..1 -> red, green, blue.
struct Colour {
  std::uint8_t red, green, blue;
  bool operator==(const Colour&) const = default;
};
[[nodiscard]] Colour heat_colour(double share);
// The share of 0..1 at which a value stands between the limits; NaN for NaN.
[[nodiscard]] double heat_share(const HeatMap& map, double value);

[[nodiscard]] std::size_t row_count(const HeatMap& map);

// RGBA, [height, width, 4], the first row on top; cells without a value are transparent. With numbered rows the number
// rises upwards, rows with names stand in their order from the top. Columns are as wide as their edges say.
[[nodiscard]] std::vector<std::uint8_t> heat_map_pixels(const HeatMap& map, std::uint32_t width, std::uint32_t height);

// At least one column and one row.
[[nodiscard]] Result<Drawing> draw(const HeatMap& map);

}  // namespace bitmar::report
