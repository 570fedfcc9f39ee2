// Writes what test_image.py compares with Pillow, as raw bytes: the decoded picture, its resize to a square of the
// stated side, and its centre crop of that side from a shorter side of 8/7 of it; then that crop normalised by
// ImageNet's statistics, in FP32 planes.
//
//   resize_image SIDE FILE > pixels
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "image/image.h"

int main(int argc, char** argv) {
  const int side = argc == 3 ? std::atoi(argv[1]) : 0;
  if (side <= 0) {
    fmt::print(stderr, "usage: resize_image SIDE FILE > pixels\n");
    return 2;
  }
  const auto image = bitmar::load_image(argv[2]);
  if (!image) {
    fmt::print(stderr, "{}\n", image.error().message);
    return 1;
  }
  const auto size = static_cast<std::uint32_t>(side);
  const bitmar::Image cropped = bitmar::resize_and_center_crop(*image, size * 8 / 7, size);
  for (const bitmar::Image& result : {*image, bitmar::resize_bicubic(*image, size, size), cropped}) {
    std::fwrite(result.pixels.data(), 1, result.pixels.size(), stdout);
  }
  const auto planes = bitmar::normalise(cropped, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f});
  std::fwrite(planes.data(), sizeof(float), planes.size(), stdout);
  return 0;
}
