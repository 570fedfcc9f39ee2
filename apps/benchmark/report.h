// What a benchmark of a model found. All times are in microseconds.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/benchmark/machine.h"
#include "apps/benchmark/summary.h"
#include "base/resident_memory.h"
#include "base/result.h"
#include "model/stage_clock.h"

namespace bitmar {

// So many tokens in one run.
struct TokenTimes {
  std::size_t tokens = 0;
  Summary microseconds;
  [[nodiscard]] double tokens_per_second() const { return static_cast<double>(tokens) * 1e6 / microseconds.median; }
};

// From nothing to the first token, in a process of its own whose files are in the page cache.
struct StartTimes {
  std::size_t prompt_tokens = 0;
  Summary engine;       // opening the model
  Summary session;      // opening a session
  Summary photo;        // reading and encoding the photo; 0 without one
  Summary first_token;  // reading the prompt, choosing the token
  Summary total;
};

struct PhotoTimes {
  std::optional<Summary> decode;  // the file to pixels; nothing for the synthetic photo
  Summary fit;                    // resize, crop, normalise
  Summary tower;                  // the vision tower alone
};

struct CaptionTimes {
  std::size_t beam = 0;
  std::size_t tokens = 0;  // of the caption
  Summary microseconds;    // from pixels to the caption
};

// Mean times of one token, median over the runs.
struct StageTimes {
  std::array<double, kStageNames.size()> short_context{};
  std::array<double, kStageNames.size()> full_window{};
};

struct ThreadReport {
  std::size_t threads = 1;
  std::optional<StartTimes> start;          // text
  std::optional<StartTimes> caption_start;  // a photo's caption; nothing without a tower
  TokenTimes prefill;
  TokenTimes decode;  // greedy, an image set, after the prompt of a caption
  TokenTimes sampling;
  std::optional<TokenTimes> no_memory;  // nothing where the model has none
  TokenTimes full_window;
  std::size_t full_window_context = 0;  // tokens before it, at least
  std::optional<PhotoTimes> photo;      // nothing without a tower
  std::optional<CaptionTimes> caption;
  std::optional<StageTimes> stages;
  std::optional<double> joules_per_token;  // of decode; nothing without a meter

  // Time of a token with a full window, relative to a short context.
  [[nodiscard]] double full_window_ratio() const {
    return decode.tokens_per_second() / full_window.tokens_per_second();
  }
};

// This process's memory after a step.
struct MemoryStep {
  std::string_view after;
  ResidentMemory memory;
};

struct BenchmarkReport {
  Machine machine;
  std::string isa;
  std::string model;  // the file
  std::string photo;  // the file, or "synthetic"
  std::size_t repetitions = 0;
  std::vector<ThreadReport> runs;
  std::vector<ThreadReport> runs_without_memory;  // in the same order, without start times; empty: not asked for
  std::vector<MemoryStep> memory;  // of opening the model, generating a text, captioning a photo, one after the other
  std::string no_energy;           // why there is no energy; empty where there is
  std::vector<std::string> warnings;
};

}  // namespace bitmar
