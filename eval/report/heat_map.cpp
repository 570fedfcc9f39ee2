#include "eval/report/heat_map.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>

#include "eval/report/axis.h"
#include "eval/report/chart_frame.h"
#include "image/encode.h"

namespace bitmar::report {
namespace {

constexpr double kNumberedHeight = 256;  // of a plot with numbered rows
constexpr double kNamedRow = 14;         // height of a row with a name
constexpr double kPixelsPerUnit = 2;     // of the picture: sharp on screens of any density
constexpr double kBarWidth = 160;
constexpr double kBarHeight = 10;
constexpr double kMaximumNameWidth = 150;

// Which column each pixel of a row belongs to.
std::vector<std::size_t> column_of_pixels(const HeatMap& map, std::uint32_t width) {
  std::vector<std::size_t> columns(width);
  for (std::uint32_t pixel = 0; pixel < width; ++pixel) {
    const double share = (pixel + 0.5) / width;
    if (map.column_edges.empty()) {
      columns[pixel] = static_cast<std::size_t>(share * static_cast<double>(map.columns.size()));
      continue;
    }
    const auto& edges = map.column_edges;
    const double x = edges.front() + share * (edges.back() - edges.front());
    const auto next = std::ranges::upper_bound(edges, x);
    columns[pixel] = std::min(static_cast<std::size_t>(std::max<std::ptrdiff_t>(next - edges.begin() - 1, 0)),
                              map.columns.size() - 1);
  }
  return columns;
}

double widest(const std::vector<std::string>& names, double size) {
  double width = 0;
  for (const std::string& name : names) width = std::max(width, text_width(name, size));
  return std::min(width, kMaximumNameWidth);
}

// Names of the columns stand upright below it.
double draw_column_names(const HeatMap& map, const PlotArea& area, SvgCanvas& canvas) {
  const double column = (area.right - area.left) / static_cast<double>(map.column_names.size());
  for (std::size_t i = 0; i < map.column_names.size(); ++i) {
    const double middle = area.left + (static_cast<double>(i) + 0.5) * column;
    canvas.text(middle + 4, area.bottom + 6, map.column_names[i],
                {.anchor = Anchor::kEnd, .size = kSmallText, .rotation = -90});
  }
  const double bottom = area.bottom + 6 + widest(map.column_names, kSmallText);
  canvas.text((area.left + area.right) / 2, bottom + 16, map.x_label, {.anchor = Anchor::kMiddle, .size = kText});
  return bottom + 26;
}

void draw_row_names(const HeatMap& map, const PlotArea& area, SvgCanvas& canvas) {
  for (std::size_t row = 0; row < map.row_names.size(); ++row) {
    canvas.text(area.left - 5, area.top + (static_cast<double>(row) + 0.5) * kNamedRow + 4,
                shortened(map.row_names[row], kMaximumNameWidth, kSmallText),
                {.anchor = Anchor::kEnd, .size = kSmallText});
  }
}

Result<double> draw_colour_bar(const HeatMap& map, double top, SvgCanvas& canvas) {
  const Range places{8, 8 + kBarWidth};
  const auto pixels_wide = static_cast<std::uint32_t>(kBarWidth);
  std::vector<std::uint8_t> pixels;
  for (std::uint32_t i = 0; i < pixels_wide; ++i) {
    const Colour colour = heat_colour((i + 0.5) / pixels_wide);
    pixels.insert(pixels.end(), {colour.red, colour.green, colour.blue});
  }
  BITMAR_TRY(const std::string png, encode_png(pixels, 1, pixels_wide, 3));
  canvas.picture(places.low, top, kBarWidth, kBarHeight, png);
  const Axis axis =
      map.logarithmic ? Axis::logarithmic(map.limits, places, 4) : Axis::linear(map.limits, places, 3, Ends::kAsGiven);
  for (const Tick& tick : axis.ticks()) {
    if (tick.value < map.limits.low || tick.value > map.limits.high) continue;  // in the margins of a logarithmic axis
    const double share = heat_share(map, tick.value);
    const double place = places.low + share * kBarWidth;
    canvas.line(place, top + kBarHeight, place, top + kBarHeight + 3, {.colour = "#555"});
    canvas.text(place, top + kBarHeight + 14, tick.label,
                {.anchor = share < 0.04 ? Anchor::kStart : Anchor::kMiddle, .size = kSmallText});
  }
  canvas.text(places.high + 14, top + kBarHeight, map.value_label, {.size = kText});
  return top + kBarHeight + 20;
}

}  // namespace

std::vector<double> edges_between(std::span<const double> steps) {
  if (steps.empty()) return {};
  if (steps.size() == 1) return {steps[0] - std::max(1.0, steps[0] * 0.5), steps[0] + std::max(1.0, steps[0] * 0.5)};
  std::vector<double> edges = {std::max(0.0, steps[0] - (steps[1] - steps[0]) / 2)};
  for (std::size_t i = 1; i < steps.size(); ++i) edges.push_back((steps[i - 1] + steps[i]) / 2);
  const std::size_t last = steps.size() - 1;
  edges.push_back(steps[last] + (steps[last] - steps[last - 1]) / 2);
  return edges;
}

Colour heat_colour(double share) {
  // Viridis at tenths (van der Walt and Smith 2015).
  constexpr std::array<std::array<int, 3>, 10> kStops = {{{68, 1, 84},
                                                          {72, 40, 120},
                                                          {62, 73, 137},
                                                          {49, 104, 142},
                                                          {38, 130, 142},
                                                          {31, 158, 137},
                                                          {53, 183, 121},
                                                          {110, 206, 88},
                                                          {181, 222, 43},
                                                          {253, 231, 37}}};
  const double place = std::clamp(share, 0.0, 1.0) * (kStops.size() - 1);
  const auto stop = std::min(static_cast<std::size_t>(place), kStops.size() - 2);
  const double part = place - static_cast<double>(stop);
  const auto mix = [&](std::size_t channel) {
    return static_cast<std::uint8_t>(
        std::lround((1 - part) * kStops[stop][channel] + part * kStops[stop + 1][channel]));
  };
  return {mix(0), mix(1), mix(2)};
}

double heat_share(const HeatMap& map, double value) {
  if (std::isnan(value)) return value;
  const auto [low, high] = map.limits;
  if (!(high > low)) return 0.5;
  if (!map.logarithmic) return std::clamp((value - low) / (high - low), 0.0, 1.0);
  return std::clamp(std::log(std::max(value, low) / low) / std::log(high / low), 0.0, 1.0);
}

std::size_t row_count(const HeatMap& map) {
  if (!map.row_names.empty()) return map.row_names.size();
  std::size_t rows = 0;
  for (const auto& column : map.columns) rows = std::max(rows, column.size());
  return rows;
}

std::vector<std::uint8_t> heat_map_pixels(const HeatMap& map, std::uint32_t width, std::uint32_t height) {
  assert(!map.columns.empty() && row_count(map) > 0);
  const std::size_t rows = row_count(map);
  const std::vector<std::size_t> columns = column_of_pixels(map, width);
  std::vector<std::uint8_t> pixels(std::size_t{width} * height * 4, 0);
  for (std::uint32_t y = 0; y < height; ++y) {
    const auto from_top = static_cast<std::size_t>((y + 0.5) / height * static_cast<double>(rows));
    const std::size_t row = map.row_names.empty() ? rows - 1 - from_top : from_top;
    for (std::uint32_t x = 0; x < width; ++x) {
      const auto& column = map.columns[columns[x]];
      if (row >= column.size() || std::isnan(column[row])) continue;
      const Colour colour = heat_colour(heat_share(map, column[row]));
      std::uint8_t* const pixel = &pixels[(std::size_t{y} * width + x) * 4];
      pixel[0] = colour.red;
      pixel[1] = colour.green;
      pixel[2] = colour.blue;
      pixel[3] = 255;
    }
  }
  return pixels;
}

Result<Drawing> draw(const HeatMap& map) {
  const bool named = !map.row_names.empty();
  const auto rows = static_cast<double>(row_count(map));
  const double height = named ? kNamedRow * rows : kNumberedHeight;
  const Axis numbers = Axis::linear({0, rows}, {kTopMargin + height, kTopMargin}, 5, Ends::kAsGiven);
  const double left = named ? widest(map.row_names, kSmallText) : label_width(numbers.ticks());
  const PlotArea area{
      .left = left + 12, .right = kFigureWidth - kRightMargin, .top = kTopMargin, .bottom = kTopMargin + height};
  SvgCanvas canvas;
  // No coarser than the cells, so that every row has its pixels.
  const auto wide = static_cast<std::uint32_t>(std::lround(kPixelsPerUnit * (area.right - area.left)));
  const auto high = static_cast<std::uint32_t>(std::max(std::lround(kPixelsPerUnit * height), std::lround(rows)));
  BITMAR_TRY(const std::string png, encode_png(heat_map_pixels(map, wide, high), high, wide, 4));
  canvas.picture(area.left, area.top, area.right - area.left, height, png);
  canvas.outline(area.left, area.top, area.right - area.left, height, {.colour = "#555", .width = 0.8});
  double bottom = area.bottom + kBelowPlot;
  if (map.column_edges.empty()) {
    canvas.text(4, area.top - 11, map.y_label, {.size = kText});
    bottom = draw_column_names(map, area, canvas);
  } else {
    draw_x_ticks(
        Axis::linear({map.column_edges.front(), map.column_edges.back()}, {area.left, area.right}, 5, Ends::kAsGiven),
        area, canvas);
    draw_labels(map.x_label, map.y_label, area, canvas);
  }
  if (named) {
    draw_row_names(map, area, canvas);
  } else {
    draw_y_ticks(numbers, area, canvas);
  }
  BITMAR_TRY(bottom, draw_colour_bar(map, bottom + 4, canvas));
  return Drawing{kFigureWidth, bottom, canvas.take()};
}

}  // namespace bitmar::report
