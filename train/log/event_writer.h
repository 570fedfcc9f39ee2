// Writes TensorBoard event files: TFRecord frames of hand-encoded `Event` protobufs (tensorflow/core/util/event.proto).
// `tensorboard --logdir DIR` opens them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/protobuf.h"

namespace bitmar {

class EventWriter {
 public:
  // With `resume_step` (the checkpoint's), continues the newest event file of `directory`, if there is one: its records
  // of later steps and any torn record at the end are cut off, so that no step is logged twice. Without, starts a new
  // file and removes those that an earlier run of the same name left.
  static Result<EventWriter> open(const std::string& directory, std::optional<std::uint64_t> resume_step);

  Result<void> scalar(std::string_view tag, double value, std::uint64_t step);
  // 30 equal bins from minimum to maximum; values that are not finite are left out.
  Result<void> histogram(std::string_view tag, std::span<const float> values, std::uint64_t step);
  // `pixels` [height, width, channels], channels 1 (grey) or 3 (RGB).
  Result<void> image(std::string_view tag, std::span<const std::uint8_t> pixels, std::uint32_t height,
                     std::uint32_t width, std::uint32_t channels, std::uint64_t step);
  Result<void> text(std::string_view tag, std::string_view markdown, std::uint64_t step);
  Result<void> flush();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  EventWriter(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  Result<void> write_value(std::uint64_t step, const protobuf::Message& value);
  Result<void> write_record(std::string_view bytes);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace bitmar
