// A run's look at its validation streams: to its log, and in words.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "data/batch_loader.h"
#include "log/run_log.h"
#include "nn/bitmar_model.h"
#include "pretrain/settings.h"
#include "text/tokenizer.h"

namespace bitmar {

// Loss, perplexity and cosine of every stream of settings.data.validation, which `loader` reads; with photos also
// greedy captions (train.caption_samples) and their CIDEr (train.caption_photos). `tell` is given a line at a time.
[[nodiscard]] Result<void> log_validation(BitmarModel& model, const PretrainSettings& settings,
                                          const BatchLoader& loader, const Tokenizer& tokenizer, RunLog& log,
                                          const std::function<void(const std::string&)>& tell);

}  // namespace bitmar
