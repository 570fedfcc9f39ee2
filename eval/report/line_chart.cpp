#include "eval/report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "eval/report/axis.h"
#include "eval/report/chart_frame.h"

namespace bitmar::report {
namespace {

constexpr double kPlotHeight = 190;
constexpr std::size_t kDrawnPoints = 400;  // of a line; more are not to be told apart
constexpr double kStageBand = 15;          // above the plot, for the stages' numbers: no line comes there

bool drawable(const LineChart& chart, const Point& point) {
  return !point.is_gap() && (!chart.logarithmic || point.y > 0);
}

// Points that cannot be drawn become gaps.
Series drawn_points(const LineChart& chart, std::span<const Point> points) {
  Series drawn = thin(points, kDrawnPoints);
  for (Point& point : drawn) {
    if (!drawable(chart, point)) point.y = std::numeric_limits<double>::quiet_NaN();
  }
  return drawn;
}

struct Limits {
  std::optional<Range> x, y;
};

Limits limits_of(const LineChart& chart, const std::vector<std::pair<Series, Series>>& drawn) {
  Limits limits;
  for (const auto& [line, behind] : drawn) {
    for (const Series* points : {&line, &behind}) {
      limits.x = join(limits.x, x_range(*points));
      limits.y = join(limits.y, y_range(*points));
    }
  }
  if (chart.from_zero && !chart.logarithmic) limits.y = join(limits.y, Range{0, 0});
  return limits;
}

Series places(const Series& points, const Axis& x, const Axis& y) {
  Series placed;
  for (const Point& point : points) {
    placed.push_back({x.place(point.x), point.is_gap() ? point.y : y.place(point.y)});
  }
  return placed;
}

// The names of the stages that begin on the axis.
std::vector<std::string> draw_stages(const LineChart& chart, const Axis& x, const PlotArea& area, SvgCanvas& canvas) {
  std::vector<std::string> names;
  canvas.begin_group("stages");
  for (std::size_t i = 0; i < chart.stages.size(); ++i) {
    const double begin = x.place(chart.stages[i].x);
    if (begin > area.right) break;
    const bool last = i + 1 == chart.stages.size();
    const double end = last ? area.right : std::min(area.right, x.place(chart.stages[i + 1].x));
    if (begin > area.left + 1) {
      canvas.line(begin, area.top - kStageBand, begin, area.bottom, {.colour = "#666", .dashes = "2 2"});
    }
    names.push_back(chart.stages[i].name);
    const std::string number = std::to_string(names.size());
    if (text_width(number, kSmallText) > end - begin) continue;
    canvas.text((begin + end) / 2, area.top - 4, number, {.anchor = Anchor::kMiddle, .size = kSmallText});
  }
  canvas.end_group();
  return names;
}

void draw_events(const LineChart& chart, const Axis& x, const PlotArea& area, SvgCanvas& canvas) {
  for (const ChartMark& event : chart.events) {
    canvas.triangle(x.place(event.x), area.bottom - 8, 8, "#222",
                    fmt::format("step {}: {}", format_value(event.x), event.name));
  }
}

}  // namespace

Stroke line_stroke(std::size_t index) {
  // Okabe and Ito's and Tol's sets, those that stand out from white (3:1 or more).
  constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#aa4499", "#555555", "#997700", "#cc6677"};
  constexpr std::array kDashes = {"", "", "", "", "5 3", "5 3", "1 3", "6 3 1 3"};
  return {.colour = kColours[index % kColours.size()], .width = 1.8, .dashes = kDashes[index % kDashes.size()]};
}

bool has_points(const LineChart& chart) {
  return std::ranges::any_of(chart.lines, [&](const ChartLine& line) {
    return std::ranges::any_of(line.points, [&](const Point& point) { return drawable(chart, point); });
  });
}

std::string path_data(std::span<const Point> places) {
  std::string data;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Point& place = places[i];
    if (place.is_gap()) continue;
    const bool begins = i == 0 || places[i - 1].is_gap();
    const bool alone = begins && (i + 1 == places.size() || places[i + 1].is_gap());
    data += fmt::format("{}{} {}", begins ? 'M' : 'L', coordinate(place.x), coordinate(place.y));
    if (alone) data += "h0";
  }
  return data;
}

Drawing draw(const LineChart& chart) {
  assert(has_points(chart));
  std::vector<std::pair<Series, Series>> drawn;
  for (const ChartLine& line : chart.lines) {
    drawn.emplace_back(drawn_points(chart, line.points), drawn_points(chart, line.behind));
  }
  const Limits limits = limits_of(chart, drawn);
  const double top = kTopMargin + (chart.stages.empty() ? 0 : kStageBand);
  const Range vertical{top + kPlotHeight, top};
  const Axis y = chart.logarithmic ? Axis::logarithmic(*limits.y, vertical, 5)
                                   : Axis::linear(*limits.y, vertical, 5, Ends::kRound);
  const PlotArea area{.left = label_width(y.ticks()) + 10,
                      .right = kFigureWidth - kRightMargin,
                      .top = top,
                      .bottom = top + kPlotHeight};
  const Axis x =
      Axis::linear({std::min(0.0, limits.x->low), limits.x->high}, {area.left, area.right}, 5, Ends::kAsGiven);

  SvgCanvas canvas;
  draw_grid(x, y, area, canvas);
  draw_labels(chart.x_label, chart.y_label, area, canvas);
  Legend legend(area.bottom + kBelowPlot);
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const auto& [line, behind] = drawn[i];
    Stroke stroke = line_stroke(i);
    if (chart.lines[i].emphasised) stroke = {.colour = "#000", .width = 2.6};
    if (!behind.empty()) {
      canvas.path(path_data(places(behind, x, y)), {.colour = stroke.colour, .width = 0.8, .opacity = 0.25});
    }
    const std::optional<Point> last = last_value(line);
    canvas.path(path_data(places(line, x, y)), stroke,
                fmt::format("{}: {}", chart.lines[i].name, last ? format_value(last->y) : "no value"));
    legend.add(chart.lines[i].name, stroke, canvas);
  }
  draw_events(chart, x, area, canvas);
  if (!chart.events.empty()) legend.add_triangle(chart.event_label, canvas);
  if (!chart.stages.empty()) legend.add_stages(draw_stages(chart, x, area, canvas), canvas);
  return {kFigureWidth, legend.bottom(), canvas.take()};
}

std::string describe(const LineChart& chart) {
  std::string text = fmt::format("{} over {}.", chart.y_label, chart.x_label);
  for (const ChartLine& line : chart.lines) {
    const std::optional<Point> first = first_value(line.points);
    const std::optional<Point> last = last_value(line.points);
    if (!first) continue;
    text += fmt::format(" {}: {} at {} {}, {} at {}.", line.name, format_value(first->y), chart.x_label,
                        format_value(first->x), format_value(last->y), format_value(last->x));
  }
  return text;
}

}  // namespace bitmar::report
