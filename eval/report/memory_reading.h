// What a model reads from its episodic memory while it describes a photo: the read attention of every word of the
// caption.
//
//   BITMAR_TRY(const MemoryReading reading, read_caption(session, {}));       // the session has an image
//   BITMAR_TRY(const Figure figure, reading_figure(reading));
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/report/figure.h"
#include "runtime/caption.h"
#include "runtime/session.h"

namespace bitmar::report {

struct WordReading {
  std::string word;
  std::vector<double> attention;  // a_t [K], sums to 1: the mean over the word's tokens, each at the step that chose it
};

struct MemoryReading {
  std::string caption;
  std::vector<WordReading> words;  // at least one
};

// Captions the session's image as `bitmar caption` does and reads the caption once more, word by word. Errors: those of
// caption(); kUnsupported where the session reads no memory or the caption is empty.
[[nodiscard]] Result<MemoryReading> read_caption(Session& session, const CaptionOptions& options);

// The slots that are read most, in the order of their numbers, at most `count`.
[[nodiscard]] std::vector<std::size_t> most_read_slots(const MemoryReading& reading, std::size_t count);

// Words by slots.
[[nodiscard]] Result<Figure> reading_figure(const MemoryReading& reading);

}  // namespace bitmar::report
