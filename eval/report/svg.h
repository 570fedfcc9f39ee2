// The elements of an SVG picture that the figures need. Lengths are units of the picture's viewBox, y points down.
//
//   SvgCanvas canvas;
//   canvas.text(200, 20, "step", {.anchor = Anchor::kMiddle});
//   const Drawing drawing{.width = 400, .height = 260, .elements = canvas.take()};
//   write(svg_file(drawing, "loss", "Training loss", "From 11.2 to 3.4."));
#pragma once

#include <string>
#include <string_view>

namespace bitmar::report {

// Text for XML and HTML, in content and in quoted attributes: markup escaped, control characters dropped, bytes that
// are not UTF-8 replaced by question marks.
[[nodiscard]] std::string escape(std::string_view text);

// Characters of UTF-8 text.
[[nodiscard]] std::size_t character_count(std::string_view text);

// A cautious estimate: the reader's font is not known.
[[nodiscard]] double text_width(std::string_view text, double size);

// The bytes in base 64 (RFC 4648, with padding), for data: addresses.
[[nodiscard]] std::string base64(std::string_view bytes);

// The text, or as much of its beginning as leaves room for an ellipsis within `width`.
[[nodiscard]] std::string shortened(std::string_view text, double width, double size);

enum class Anchor { kStart, kMiddle, kEnd };

struct TextStyle {
  Anchor anchor = Anchor::kStart;
  double size = 12;
  double rotation = 0;  // degrees, clockwise around the anchor
};

struct Stroke {
  std::string colour = "#222";
  double width = 1;
  std::string dashes = {};  // as of stroke-dasharray; empty: solid
  double opacity = 1;
};

// One decimal, without a trailing ".0": the places of all elements.
[[nodiscard]] std::string coordinate(double value);

class SvgCanvas {
 public:
  void line(double x1, double y1, double x2, double y2, const Stroke& stroke);
  // `data` as of the attribute d; `title` is what a pointer over it shows.
  void path(const std::string& data, const Stroke& stroke, std::string_view title = {});
  void outline(double x, double y, double width, double height, const Stroke& stroke);
  void text(double x, double y, std::string_view text, const TextStyle& style = {});
  // A PNG file's bytes, stretched to the rectangle.
  void picture(double x, double y, double width, double height, std::string_view png);
  void triangle(double x, double y, double size, const std::string& fill, std::string_view title);
  // What is drawn until end_group() belongs together; `name` is its class.
  void begin_group(std::string_view name);
  void end_group();
  [[nodiscard]] std::string take() { return std::move(elements_); }

 private:
  std::string elements_;
};

struct Drawing {
  double width = 0;
  double height = 0;
  std::string elements;
};

// For an HTML page; `id` is unique in it. It is as wide as its surroundings.
[[nodiscard]] std::string inline_svg(const Drawing& drawing, std::string_view id, std::string_view title,
                                     std::string_view description);
// A file of its own.
[[nodiscard]] std::string svg_file(const Drawing& drawing, std::string_view id, std::string_view title,
                                   std::string_view description);

}  // namespace bitmar::report
