// Vision features of named photos: an .npy file [photos, N, F] or [photos, F] (N = 1), beside it `<file>.txt` with the
// photos' names, one a line in the same order, and, where `bitmar features` computed them, `<file>.json`: how many rows
// are there, and which photos could not be read.
//
//   BITMAR_TRY(const FeatureFile features, FeatureFile::open("features/teacher.npy"));
//   if (const auto row = features.find("1.jpg")) BITMAR_TRY_VOID(features.read(*row, out));
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

class FeatureFile {
 public:
  // kInvalidFile names the file and what is wrong with it, a record of fewer rows than the file has among that.
  static Result<FeatureFile> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t images() const { return file_.shape()[0]; }
  [[nodiscard]] std::uint32_t tokens() const { return tokens_; }  // N
  [[nodiscard]] std::uint32_t width() const { return width_; }    // F
  // The row of a photo; none where it is not there, or could not be read when the features were computed.
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view image_name) const;
  // Row `index` as FP32 into `out` [N * F]. kInvalidFile where a value is not finite.
  [[nodiscard]] Result<void> read(std::uint64_t index, std::span<float> out) const;

 private:
  std::string path_;
  NpyFile file_;
  std::uint32_t tokens_ = 0;
  std::uint32_t width_ = 0;
  std::unordered_map<std::string, std::uint64_t> rows_;  // by name
};

// The record beside a file of features, and two keys of its JSON object.
[[nodiscard]] std::string feature_record_path(const std::string& path);
inline constexpr const char* kFeatureRowsKey = "complete";  // rows computed so far
inline constexpr const char* kFailedPhotosKey = "failed";   // names of those among them that are zero

}  // namespace bitmar
