#include "eval/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "io/utf8.h"

namespace bitmar::report {
namespace {

std::string attributes(const Stroke& stroke) {
  std::string text = fmt::format(" stroke=\"{}\" stroke-width=\"{}\"", stroke.colour, coordinate(stroke.width));
  if (!stroke.dashes.empty()) text += fmt::format(" stroke-dasharray=\"{}\"", stroke.dashes);
  if (stroke.opacity < 1) text += fmt::format(" stroke-opacity=\"{:.2f}\"", stroke.opacity);
  return text;
}

std::string svg(const Drawing& drawing, std::string_view id, std::string_view title, std::string_view description,
                std::string_view more) {
  return fmt::format(
      "<svg{0} viewBox=\"0 0 {1} {2}\" role=\"img\" aria-labelledby=\"{3}-title {3}-description\" "
      "font-family=\"system-ui, 'DejaVu Sans', sans-serif\" fill=\"#222\">\n<title id=\"{3}-title\">{4}</title>\n"
      "<desc id=\"{3}-description\">{5}</desc>\n{6}</svg>\n",
      more, coordinate(drawing.width), coordinate(drawing.height), escape(id), escape(title), escape(description),
      drawing.elements);
}

}  // namespace

std::string escape(std::string_view text) {
  const bool valid = is_valid_utf8(text);
  std::string escaped;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    switch (character) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '\n':
        escaped += '\n';
        break;
      case '\t':
        escaped += ' ';
        break;
      default:
        if (byte < 0x20 || byte == 0x7f) break;
        escaped += byte >= 0x80 && !valid ? '?' : character;
    }
  }
  return escaped;
}

std::size_t character_count(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

double text_width(std::string_view text, double size) {
  return 0.6 * size * static_cast<double>(character_count(text));
}

std::string shortened(std::string_view text, double width, double size) {
  if (text_width(text, size) <= width) return std::string(text);
  std::size_t end = text.size();
  while (end > 0 && (text_width(text.substr(0, end), size) > width - size ||
                     (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)) {
    --end;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t first = 0; first < bytes.size(); first += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - first);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[first + i]) : 0u);
    }
    for (std::size_t digit = 0; digit < 4; ++digit) {
      text += digit <= count ? kDigits[group >> (18 - 6 * digit) & 63u] : '=';
    }
  }
  return text;
}

std::string coordinate(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

void SvgCanvas::line(double x1, double y1, double x2, double y2, const Stroke& stroke) {
  elements_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>\n", coordinate(x1), coordinate(y1),
                           coordinate(x2), coordinate(y2), attributes(stroke));
}

void SvgCanvas::path(const std::string& data, const Stroke& stroke, std::string_view title) {
  elements_ += fmt::format("<path fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\"{} d=\"{}\"",
                           attributes(stroke), data);
  elements_ += title.empty() ? "/>\n" : fmt::format("><title>{}</title></path>\n", escape(title));
}

void SvgCanvas::outline(double x, double y, double width, double height, const Stroke& stroke) {
  elements_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\"{}/>\n", coordinate(x),
                           coordinate(y), coordinate(width), coordinate(height), attributes(stroke));
}

void SvgCanvas::text(double x, double y, std::string_view text, const TextStyle& style) {
  constexpr std::string_view kAnchors[] = {"start", "middle", "end"};
  std::string more;
  if (style.anchor != Anchor::kStart) {
    more += fmt::format(" text-anchor=\"{}\"", kAnchors[static_cast<std::size_t>(style.anchor)]);
  }
  if (style.rotation != 0) {
    more += fmt::format(" transform=\"rotate({} {} {})\"", coordinate(style.rotation), coordinate(x), coordinate(y));
  }
  elements_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\"{}>{}</text>\n", coordinate(x), coordinate(y),
                           coordinate(style.size), more, escape(text));
}

void SvgCanvas::picture(double x, double y, double width, double height, std::string_view png) {
  elements_ += fmt::format(
      "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" "
      "href=\"data:image/png;base64,{}\"/>\n",
      coordinate(x), coordinate(y), coordinate(width), coordinate(height), base64(png));
}

void SvgCanvas::triangle(double x, double y, double size, const std::string& fill, std::string_view title) {
  elements_ += fmt::format("<path fill=\"{}\" d=\"M{} {}l{} {}h{}z\"><title>{}</title></path>\n", fill, coordinate(x),
                           coordinate(y), coordinate(size / 2), coordinate(size), coordinate(-size), escape(title));
}

void SvgCanvas::begin_group(std::string_view name) {
  elements_ += fmt::format("<g class=\"{}\">\n", escape(name));
}

void SvgCanvas::end_group() {
  elements_ += "</g>\n";
}

std::string inline_svg(const Drawing& drawing, std::string_view id, std::string_view title,
                       std::string_view description) {
  return svg(drawing, id, title, description, "");
}

std::string svg_file(const Drawing& drawing, std::string_view id, std::string_view title,
                     std::string_view description) {
  const std::string size = fmt::format(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\"",
                                       coordinate(2 * drawing.width), coordinate(2 * drawing.height));
  return svg(drawing, id, title, description, size);
}

}  // namespace bitmar::report
