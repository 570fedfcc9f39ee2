#include "config/autocast_mode.h"

namespace bitmar {

Result<Autocast> parse_autocast(std::string_view word) {
  if (word == "off") return Autocast::kOff;
  if (word == "bf16") return Autocast::kBFloat16;
  if (word == "fp16") return Autocast::kFloat16;
  return fail(ErrorCode::kInvalidArgument, "'{}' is none of off, bf16, fp16", word);
}

}  // namespace bitmar
