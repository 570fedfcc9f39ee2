// An error about one key of a configuration: whoever read the key from a file can say where it stands.
//
//   Validity ScheduleSettings::validate() const {
//     if (peak <= 0) return fail_key(ErrorCode::kInvalidArgument, "peak", "schedule.peak is {}, expected …", peak);
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace bitmar {

struct KeyError : Error {
  std::string key;  // from the configuration's table on: "peak", "train.0.rows"
};

// Where a Result<void> is wanted, it becomes one without the key; the message says all by itself.
using Validity = std::expected<void, KeyError>;

template <typename... Arguments>
[[nodiscard]] std::unexpected<KeyError> fail_key(ErrorCode code, std::string_view key,
                                                 fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  return std::unexpected(
      KeyError{{code, fmt::format(format, std::forward<Arguments>(arguments)...)}, std::string(key)});
}

}  // namespace bitmar
