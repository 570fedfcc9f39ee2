// Errors as values. Every function that touches input, a file or the API edge returns Result<T>.
//
//   Result<Image> decode(std::span<const std::byte> bytes);
//
//   BITMAR_TRY(const Image image, decode(bytes));      // returns the error to our caller
//   return fail(ErrorCode::kInvalidFile, "{}: width {} exceeds {}", name, width, kMaximumWidth);
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <utility>

namespace bitmar {

enum class ErrorCode {
  kInvalidArgument,  // a flag, a parameter or a call that cannot be right
  kNotFound,         // a file, key, tensor or slot that is not there
  kInvalidFile,      // bytes that are not what their format promises
  kUnsupported,      // valid input that this build or model does not handle
  kOutOfRange,       // a size or index beyond its limit
  kIo,               // the operating system refused a read or write
};

// One clear sentence: names the file, key or flag, and says what was expected.
struct Error {
  ErrorCode code;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

// An error with a formatted message, to be returned from any function with a Result type.
template <typename... Arguments>
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, fmt::format_string<Arguments...> format,
                                          Arguments&&... arguments) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Arguments>(arguments)...)});
}

}  // namespace bitmar

#define BITMAR_CONCATENATE_(a, b) a##b
#define BITMAR_CONCATENATE(a, b) BITMAR_CONCATENATE_(a, b)

// Declares a variable from a Result's value, or returns its error from the enclosing function.
#define BITMAR_TRY(declaration, ...)                                                  \
  auto BITMAR_CONCATENATE(result_, __LINE__) = (__VA_ARGS__);                         \
  if (!BITMAR_CONCATENATE(result_, __LINE__)) {                                       \
    return std::unexpected(std::move(BITMAR_CONCATENATE(result_, __LINE__)).error()); \
  }                                                                                   \
  declaration = *std::move(BITMAR_CONCATENATE(result_, __LINE__))

// The same for Result<void>.
#define BITMAR_TRY_VOID(...) \
  if (auto status = (__VA_ARGS__); !status) return std::unexpected(std::move(status).error())
