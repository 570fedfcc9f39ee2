// The photo that a benchmark encodes: a file, or a synthetic one, so that a benchmark needs nothing but the model.
//
//   BITMAR_TRY(const BenchmarkPhoto photo, BenchmarkPhoto::load(""));
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/image.h"

namespace bitmar {

struct BenchmarkPhoto {
  Image image;
  std::string name;                // the path, or "synthetic"
  std::vector<std::byte> encoded;  // the file; empty for the synthetic one

  // An empty path: the synthetic photo, 640 x 480.
  static Result<BenchmarkPhoto> load(const std::string& path);
};

// A colour gradient with noise. The same size gives the same pixels.
[[nodiscard]] Image synthetic_photo(std::uint32_t width, std::uint32_t height);

}  // namespace bitmar
