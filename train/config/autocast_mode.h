// The key `autocast` of a training configuration: in what matrix products are computed.
#pragma once

#include <string_view>

#include "base/result.h"

namespace bitmar {

enum class Autocast { kOff, kBFloat16, kFloat16 };
// "off", "bf16", "fp16".
[[nodiscard]] Result<Autocast> parse_autocast(std::string_view word);

}  // namespace bitmar
