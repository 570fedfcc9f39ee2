// Captions a set of photos with a model and scores the captions against their references.
//
//   BITMAR_TRY(const auto photos, join_references(groups, names));
//   BITMAR_TRY(const auto captions, caption_photos(engine, photos, run, sink));
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/images/image_source.h"
#include "eval/metrics/caption_metrics.h"
#include "eval/parallel/measure_in_order.h"
#include "io/caption_readers.h"
#include "runtime/caption.h"

namespace bitmar {

// One photo to caption and judge.
struct ReferencedPhoto {
  std::string name;
  std::vector<std::string> references;
};

// The photos of `names` (all of `groups` where it is empty), in that order. kNotFound names a photo without captions.
[[nodiscard]] Result<std::vector<ReferencedPhoto>> join_references(std::span<const CaptionGroup> groups,
                                                                   std::span<const std::string> names);

struct CaptionRun {
  ImageSource images;
  CaptionOptions caption;
  bool memory = true;       // false: the ablation
  std::size_t threads = 1;  // groups of photos at a time
};

// The captions, in the photos' order; each thread has its own read-only sessions, so the result does not depend on
// their number.
[[nodiscard]] Result<std::vector<std::string>> caption_photos(const std::shared_ptr<const Engine>& engine,
                                                              std::span<const ReferencedPhoto> photos,
                                                              const CaptionRun& run,
                                                              const ValueSink<std::string>& sink);

// Captions from a results file in COCO's form, [{"image_id": name, "caption": text}, …], in the photos' order.
[[nodiscard]] Result<std::vector<std::string>> read_predictions(const std::string& path,
                                                                std::span<const ReferencedPhoto> photos);
[[nodiscard]] Result<void> write_predictions(const std::string& path, std::span<const ReferencedPhoto> photos,
                                             std::span<const std::string> captions);

}  // namespace bitmar
