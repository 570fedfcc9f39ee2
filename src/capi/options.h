// The API's option structs as the runtime's, with the runtime's defaults.
#pragma once

#include <string>

#include "base/result.h"
#include "bitmar/bitmar.h"
#include "runtime/caption.h"
#include "runtime/engine.h"
#include "runtime/generator.h"
#include "runtime/session.h"
#include "runtime/session_batch.h"

namespace bitmar::capi {

struct CaptionRequest {
  CaptionOptions options;
  std::string prompt;
};

// NULL gives the defaults. kInvalidArgument names the struct or the field; ranges are left to the runtime.
[[nodiscard]] Result<EngineOptions> convert(const bitmar_engine_options* given);
[[nodiscard]] Result<SessionOptions> convert(const bitmar_session_options* given);
[[nodiscard]] Result<SessionBatchOptions> convert(const bitmar_batch_options* given);
[[nodiscard]] Result<CaptionRequest> convert(const bitmar_caption_options* given);
[[nodiscard]] Result<GenerateOptions> convert(const bitmar_generate_options* given);

}  // namespace bitmar::capi
