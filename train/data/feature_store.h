// Vision features of named photos: an .npy file [images, N, F] or [images, F] (N = 1), and beside it `<file>.txt`
// with the photos' names, one a line in the same order.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "io/npy.h"

namespace bitmar {

class FeatureStore {
 public:
  static Result<FeatureStore> open(const std::string& path);

  [[nodiscard]] std::uint64_t images() const { return file_.shape()[0]; }
  [[nodiscard]] std::uint32_t tokens() const { return tokens_; }  // N
  [[nodiscard]] std::uint32_t width() const { return width_; }    // F
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view image_name) const;
  // Row `index` as FP32 into `out` [N * F].
  [[nodiscard]] Result<void> read(std::uint64_t index, std::span<float> out) const {
    return file_.read_row(index, out);
  }

 private:
  NpyFile file_;
  std::uint32_t tokens_ = 0;
  std::uint32_t width_ = 0;
  std::unordered_map<std::string, std::uint64_t> rows_;
};

}  // namespace bitmar
