// Lines over the steps of a run, with axes, a legend and marks of what happened when.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/report/series.h"
#include "eval/report/svg.h"

namespace bitmar::report {

struct ChartLine {
  std::string name;    // in the legend
  Series points = {};  // a gap ends the line
  Series behind = {};  // drawn thin and pale below it: what was smoothed
  bool emphasised = false;
};

// Something at one step.
struct ChartMark {
  double x = 0;
  std::string name;
};

struct LineChart {
  std::string x_label = {};  // with the unit
  std::string y_label = {};
  bool logarithmic = false;
  bool from_zero = false;  // the y axis includes 0
  std::vector<ChartLine> lines = {};
  std::vector<ChartMark> stages = {};  // drawn as vertical lines, numbered above the plot and named in the legend
  std::vector<ChartMark> events = {};  // drawn as triangles on the axis
  std::string event_label = {};        // in the legend
};

// Points of this chart that can be drawn: finite, above 0 on a logarithmic axis.
[[nodiscard]] bool has_points(const LineChart& chart);

// has_points() must hold (asserted).
[[nodiscard]] Drawing draw(const LineChart& chart);

// The picture in words: "photos: 812 at step 500, 36.8 at step 15,500."
[[nodiscard]] std::string describe(const LineChart& chart);

// The attribute d of a line through points that are already places on the picture: a new subpath after every gap, a dot
// for a point that stands alone.
[[nodiscard]] std::string path_data(std::span<const Point> places);

// How the lines are told apart: a colour that readers with any colour vision tell from its neighbours, and a dash
// pattern besides.
[[nodiscard]] Stroke line_stroke(std::size_t index);

}  // namespace bitmar::report
