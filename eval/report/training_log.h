// A training run's log (log.jsonl, docs/training.md) as series. Several runs, the stages of one training, are joined:
// each one's steps go on from the last of the one before, and lines have a gap between them.
//
//   BITMAR_TRY(const TrainingLog log, read_training_log({"runs/language", "runs/tune"}));
//   log.scalar("loss/language");
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "eval/report/series.h"

namespace bitmar::report {

// One tag's vectors, a row of numbers a step; a number that is not finite is NaN.
struct Frame {
  double step = 0;
  std::vector<double> values;
};

struct Event {
  double step = 0;
  std::string text;
};

struct Stage {
  std::string name;       // the run's folder
  std::string settings;   // its config.toml; empty: there is none
  double first_step = 0;  // steps of the stages before
  double last_step = 0;   // counted through
  double first_time = 0;  // seconds since 1970; 0: not logged
  double last_time = 0;
  // The losses of a line are of one step. Not what is logged now: known by that no line has values of more than one
  // stream, though the run mixes several and many steps lie between lines.
  bool logs_single_steps = false;
};

struct TrainingLog {
  std::vector<Stage> stages;
  std::map<std::string, Series, std::less<>> scalars;
  std::map<std::string, std::vector<Frame>, std::less<>> vectors;
  std::map<std::string, std::vector<Event>, std::less<>> texts;

  // Empty where the tag was not logged.
  [[nodiscard]] std::span<const Point> scalar(std::string_view tag) const;
  [[nodiscard]] std::span<const Frame> vector(std::string_view tag) const;
  // The scalars named prefix + NAME + suffix, with NAME, in the order of the names.
  [[nodiscard]] std::vector<std::pair<std::string, std::span<const Point>>> scalars_of(std::string_view prefix,
                                                                                       std::string_view suffix) const;
};

// `runs`: at least one folder with log/log.jsonl or log.jsonl, or such a file itself. An unfinished last line, of a run
// that goes on or was killed, is left out. Errors: kNotFound where there is no log, kInvalidFile "file:line: …" for a
// line that is none of the trainer's.
[[nodiscard]] Result<TrainingLog> read_training_log(std::span<const std::string> runs);

}  // namespace bitmar::report
