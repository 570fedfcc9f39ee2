#include "eval/report/chart_frame.h"

#include <fmt/format.h>

#include <algorithm>

namespace bitmar::report {
namespace {

constexpr double kSign = 22;  // width of a line's piece in the legend
const Stroke kGridStroke{.colour = "#ddd", .width = 0.8, .dashes = {}, .opacity = 1};
const Stroke kAxisStroke{.colour = "#555", .width = 1, .dashes = {}, .opacity = 1};

}  // namespace

double label_width(std::span<const Tick> ticks) {
  double widest = 0;
  for (const Tick& tick : ticks) widest = std::max(widest, text_width(tick.label, kSmallText));
  return widest;
}

void draw_x_ticks(const Axis& x, const PlotArea& area, SvgCanvas& canvas) {
  for (const Tick& tick : x.ticks()) {
    const double place = x.place(tick.value);
    canvas.line(place, area.bottom, place, area.bottom + 4, kAxisStroke);
    const double half = text_width(tick.label, kSmallText) / 2;
    canvas.text(std::min(place, kFigureWidth - half), area.bottom + 16, tick.label,
                {.anchor = Anchor::kMiddle, .size = kSmallText});
  }
}

void draw_y_ticks(const Axis& y, const PlotArea& area, SvgCanvas& canvas) {
  for (const Tick& tick : y.ticks()) {
    const double place = y.place(tick.value);
    canvas.line(area.left - 4, place, area.left, place, kAxisStroke);
    canvas.text(area.left - 6, place + 4, tick.label, {.anchor = Anchor::kEnd, .size = kSmallText});
  }
}

void draw_grid(const Axis& x, const Axis& y, const PlotArea& area, SvgCanvas& canvas) {
  for (const Tick& tick : y.ticks()) {
    canvas.line(area.left, y.place(tick.value), area.right, y.place(tick.value), kGridStroke);
  }
  for (const Tick& tick : x.ticks()) {
    canvas.line(x.place(tick.value), area.top, x.place(tick.value), area.bottom, kGridStroke);
  }
  canvas.line(area.left, area.bottom, area.right, area.bottom, kAxisStroke);
  canvas.line(area.left, area.top, area.left, area.bottom, kAxisStroke);
  draw_x_ticks(x, area, canvas);
  draw_y_ticks(y, area, canvas);
}

void draw_labels(std::string_view x_label, std::string_view y_label, const PlotArea& area, SvgCanvas& canvas) {
  canvas.text((area.left + area.right) / 2, area.bottom + 31, x_label, {.anchor = Anchor::kMiddle, .size = kText});
  canvas.text(4, kTopMargin - 11, y_label, {.size = kText});
}

double Legend::place(std::string_view name, SvgCanvas& canvas) {
  const double width = kSign + 6 + text_width(name, kText) + 12;
  if (x_ > 8 && x_ + width > kFigureWidth) {
    x_ = 8;
    y_ += 18;
  }
  const double begin = x_;
  canvas.text(begin + kSign + 6, y_ + 12, name, {.size = kText});
  x_ += width;
  return begin;
}

void Legend::add(std::string_view name, const Stroke& stroke, SvgCanvas& canvas) {
  const double begin = place(name, canvas);
  canvas.line(begin, y_ + 8, begin + kSign, y_ + 8, stroke);
}

void Legend::add_triangle(std::string_view name, SvgCanvas& canvas) {
  const double begin = place(name, canvas);
  canvas.triangle(begin + kSign / 2, y_ + 3, 9, "#222", name);
}

void Legend::add_stages(std::span<const std::string> names, SvgCanvas& canvas) {
  constexpr double kLeft = 8;
  constexpr double kGap = 10;
  y_ += 20;
  x_ = kLeft;
  const auto write = [&](const std::string& text) {
    const std::string shown = shortened(text, kFigureWidth - 2 * kLeft, kSmallText);
    const double width = text_width(shown, kSmallText);
    if (x_ > kLeft && x_ + width > kFigureWidth - kLeft) {
      x_ = kLeft;
      y_ += 16;
    }
    canvas.text(x_, y_ + 12, shown, {.size = kSmallText});
    x_ += width + kGap;
  };
  write("Stages:");
  for (std::size_t i = 0; i < names.size(); ++i) write(fmt::format("{} {}", i + 1, names[i]));
}

}  // namespace bitmar::report
