// What all figures have around their contents: the measures of the page, grid, labels, legend.
//
// Figures are 400 units wide and their text is 11 and 12 units high. On a phone a unit is a little less than a CSS
// pixel, on a desktop the page makes it a little more.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/report/axis.h"
#include "eval/report/svg.h"

namespace bitmar::report {

inline constexpr double kFigureWidth = 400;
inline constexpr double kTopMargin = 24;    // for the label of the y axis
inline constexpr double kRightMargin = 14;  // for half of the last tick's label
inline constexpr double kBelowPlot = 40;    // tick labels and the label of the x axis
inline constexpr double kText = 12;
inline constexpr double kSmallText = 11;

struct PlotArea {
  double left = 0, right = 0, top = 0, bottom = 0;
};

// Of the widest label.
[[nodiscard]] double label_width(std::span<const Tick> ticks);

void draw_grid(const Axis& x, const Axis& y, const PlotArea& area, SvgCanvas& canvas);
// Ticks and their labels below the area.
void draw_x_ticks(const Axis& x, const PlotArea& area, SvgCanvas& canvas);
// Ticks and their labels left of the area.
void draw_y_ticks(const Axis& y, const PlotArea& area, SvgCanvas& canvas);
// The x axis' below the tick labels, the y axis' at the top of the figure: so both are read without turning the head.
void draw_labels(std::string_view x_label, std::string_view y_label, const PlotArea& area, SvgCanvas& canvas);

// Names in rows from the figure's left to its right.
class Legend {
 public:
  explicit Legend(double top) : y_(top) {}
  void add(std::string_view name, const Stroke& stroke, SvgCanvas& canvas);
  void add_triangle(std::string_view name, SvgCanvas& canvas);
  // "Stages: 1 language  2 captions", on rows of their own.
  void add_stages(std::span<const std::string> names, SvgCanvas& canvas);
  [[nodiscard]] double bottom() const { return y_ + 20; }

 private:
  // Makes room for an entry and writes its name; where its sign begins.
  double place(std::string_view name, SvgCanvas& canvas);

  double x_ = 8;
  double y_;
};

}  // namespace bitmar::report
