// A training run as a page of figures, and each figure as a file of its own beside it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/session.h"

namespace bitmar::cli {

// A photo to be captioned, for the figure of what the model reads from its memory.
struct PhotoToRead {
  std::string path;
  Session session;
};

struct WrittenFigure {
  std::string file;
  std::string title;
};

struct WrittenReport {
  double steps = 0;
  std::string figure_folder = {};
  std::vector<WrittenFigure> figures = {};
  std::vector<std::string> missing = {};  // figures for which the log has no values
};

// `runs`: the stages of one training, joined in this order. `output`: the page; figures go to <its stem>-figures beside
// it, as SVG. `photo`: may be null.
[[nodiscard]] Result<WrittenReport> write_training_report(std::span<const std::string> runs, const std::string& output,
                                                          PhotoToRead* photo);

}  // namespace bitmar::cli
