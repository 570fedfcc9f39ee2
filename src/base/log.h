// Where messages go. The library never prints: callers pass a sink, the default drops everything.
#pragma once

#include <functional>
#include <string_view>

namespace bitmar {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogSink = std::function<void(LogLevel, std::string_view message)>;

}  // namespace bitmar
