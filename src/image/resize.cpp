// Pillow's antialiased bicubic resize: see Resample.c of Pillow for the arithmetic that this reproduces.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/image.h"

namespace bitmar {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);
constexpr double kSupport = 2.0;
constexpr std::size_t kChannels = 3;

// Keys' cubic convolution with a = -0.5.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// Part of an output axis: elements first .. first + count of `size`.
struct Window {
  std::uint64_t size;
  std::uint64_t first;
  std::uint32_t count;
};

// The input elements that one output element sums over, and where their weights stand.
struct Taps {
  std::size_t first;
  std::size_t count;
  std::size_t weights;
};

// The filter of one axis. Where the size does not change it is the identity, exactly.
struct AxisFilter {
  std::vector<Taps> taps;             // [window count]
  std::vector<std::int32_t> weights;  // fixed point with kPrecisionBits

  [[nodiscard]] std::size_t first_input() const { return taps.front().first; }
  [[nodiscard]] std::size_t end_input() const { return taps.back().first + taps.back().count; }
};

AxisFilter make_filter(std::uint32_t input, const Window& window) {
  AxisFilter filter;
  const double scale = static_cast<double>(input) / static_cast<double>(window.size);
  const double filter_scale = std::max(scale, 1.0);  // widening the kernel when shrinking is the antialiasing
  const double support = kSupport * filter_scale;
  const double inverse = 1.0 / filter_scale;
  std::vector<double> row;
  filter.taps.reserve(window.count);
  for (std::uint64_t i = window.first; i < window.first + window.count; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = static_cast<std::size_t>(std::max(center - support + 0.5, 0.0));
    const auto end = std::min(static_cast<std::size_t>(center + support + 0.5), std::size_t{input});
    row.clear();
    double total = 0.0;
    for (std::size_t x = first; x < end; ++x) {
      row.push_back(bicubic((static_cast<double>(x) - center + 0.5) * inverse));
      total += row.back();
    }
    filter.taps.push_back({first, row.size(), filter.weights.size()});
    for (double weight : row) {
      if (total != 0.0) weight /= total;
      weight *= 1 << kPrecisionBits;
      filter.weights.push_back(static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
    }
  }
  return filter;
}

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp<std::int32_t>(sum >> kPrecisionBits, 0, 255));
}

// Filters rows first_row..end_row of `image`, whose column 0 is column `column_origin` of the filter's input:
// [end_row - first_row, window, 3].
Image filter_columns(const Image& image, const AxisFilter& filter, std::size_t column_origin, std::size_t first_row,
                     std::size_t end_row) {
  Image result{static_cast<std::uint32_t>(filter.taps.size()), static_cast<std::uint32_t>(end_row - first_row), {}};
  result.pixels.resize(std::size_t{result.width} * result.height * kChannels);
  std::uint8_t* destination = result.pixels.data();
  for (std::size_t y = first_row; y < end_row; ++y) {
    const std::uint8_t* const source = image.pixels.data() + y * image.width * kChannels;
    for (const Taps& taps : filter.taps) {
      const std::uint8_t* pixel = source + (taps.first - column_origin) * kChannels;
      const std::int32_t* const weight = filter.weights.data() + taps.weights;
      std::int32_t red = kHalf;
      std::int32_t green = kHalf;
      std::int32_t blue = kHalf;
      for (std::size_t i = 0; i < taps.count; ++i, pixel += kChannels) {
        red += weight[i] * pixel[0];
        green += weight[i] * pixel[1];
        blue += weight[i] * pixel[2];
      }
      *destination++ = to_byte(red);
      *destination++ = to_byte(green);
      *destination++ = to_byte(blue);
    }
  }
  return result;
}

// Filters columns first_column..end_column of `image`, whose row 0 is row `row_origin` of the filter's input:
// [window, end_column - first_column, 3].
Image filter_rows(const Image& image, const AxisFilter& filter, std::size_t row_origin, std::size_t first_column,
                  std::size_t end_column) {
  Image result{
      static_cast<std::uint32_t>(end_column - first_column), static_cast<std::uint32_t>(filter.taps.size()), {}};
  const std::size_t stride = std::size_t{result.width} * kChannels;
  result.pixels.resize(stride * result.height);
  std::vector<std::int32_t> sums(stride);
  std::uint8_t* destination = result.pixels.data();
  for (const Taps& taps : filter.taps) {
    std::ranges::fill(sums, kHalf);
    for (std::size_t i = 0; i < taps.count; ++i) {
      const std::int32_t weight = filter.weights[taps.weights + i];
      const std::size_t row = taps.first + i - row_origin;
      const std::uint8_t* const source = image.pixels.data() + (row * image.width + first_column) * kChannels;
      for (std::size_t x = 0; x < stride; ++x) sums[x] += weight * source[x];
    }
    destination = std::ranges::transform(sums, destination, to_byte).out;
  }
  return result;
}

// The window of `horizontal` x `vertical` from the image resized to their sizes. The first pass computes only what the
// second needs.
Image resize_window(const Image& image, const Window& horizontal, const Window& vertical) {
  assert(image.width > 0 && image.height > 0 && horizontal.count > 0 && vertical.count > 0);
  const AxisFilter columns = make_filter(image.width, horizontal);
  const AxisFilter rows = make_filter(image.height, vertical);

  // The intermediate picture is rounded to bytes, so the order of the passes shows. Pillow 13 starts with the rows
  // where these shrink by more than twice as many pixels as the columns (earlier versions never do).
  const auto shrinkage = [](std::uint32_t from, std::uint64_t to) {
    return static_cast<std::int64_t>(from) - static_cast<std::int64_t>(to);
  };
  const std::int64_t lost_rows = shrinkage(image.height, vertical.size);
  if (lost_rows > 0 && lost_rows > 2 * shrinkage(image.width, horizontal.size)) {
    const Image flat = filter_rows(image, rows, 0, columns.first_input(), columns.end_input());
    return filter_columns(flat, columns, columns.first_input(), 0, flat.height);
  }
  const Image narrow = filter_columns(image, columns, 0, rows.first_input(), rows.end_input());
  return filter_rows(narrow, rows, rows.first_input(), 0, narrow.width);
}

// torchvision's CenterCrop: half the difference, rounded half to even.
std::uint64_t centered(std::uint64_t size, std::uint32_t side) {
  const std::uint64_t difference = size - side;
  const std::uint64_t half = difference / 2;
  return (difference % 2 == 1 && half % 2 == 1) ? half + 1 : half;
}

}  // namespace

Image resize_bicubic(const Image& image, std::uint32_t width, std::uint32_t height) {
  if (image.width == width && image.height == height) return image;
  return resize_window(image, {width, 0, width}, {height, 0, height});
}

Image resize_and_center_crop(const Image& image, std::uint32_t shorter, std::uint32_t side) {
  assert(side >= 1 && side <= shorter);
  const std::uint64_t short_side = std::min(image.width, image.height);
  const std::uint64_t width = std::uint64_t{shorter} * image.width / short_side;
  const std::uint64_t height = std::uint64_t{shorter} * image.height / short_side;
  return resize_window(image, {width, centered(width, side), side}, {height, centered(height, side), side});
}

}  // namespace bitmar
