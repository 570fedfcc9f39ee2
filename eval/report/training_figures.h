// The figures of a training run, from its log: loss, perplexity by domain, alignment of image and text, what the
// memory's slots do (the paper's Figure 2), how ternary the weights become (its Figure 3), learning rate.
//
//   BITMAR_TRY(const TrainingFigures made, training_figures(log));
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "eval/report/figure.h"
#include "eval/report/training_log.h"

namespace bitmar::report {

struct TrainingFigures {
  std::vector<Figure> figures;
  std::vector<std::string> missing;  // titles of those for which the log has no values
};

[[nodiscard]] Result<TrainingFigures> training_figures(const TrainingLog& log);

}  // namespace bitmar::report
