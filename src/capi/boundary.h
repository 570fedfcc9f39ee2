// Where C++ ends: results and exceptions become status codes, and nothing of the caller's is trusted to be there.
//
//   return guarded(error, [&]() -> Result<void> {
//     BITMAR_TRY_VOID(require(session, "session"));
//     ...
//   });
#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "base/result.h"
#include "bitmar/bitmar.h"

namespace bitmar::capi {

[[nodiscard]] bitmar_status status_of(ErrorCode code);
// Fills in `error`, where there is one, and returns the status. A message that is too long is cut between characters.
bitmar_status report(bitmar_error* error, bitmar_status status, std::string_view message) noexcept;

// Runs a function that returns Result<void>.
template <typename Call>
bitmar_status guarded(bitmar_error* error, const Call& call) noexcept {
  try {
    const Result<void> result = call();
    return result ? report(error, BITMAR_OK, {})
                  : report(error, status_of(result.error().code), result.error().message);
  } catch (const std::bad_alloc&) {
    return report(error, BITMAR_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& exception) {
    return report(error, BITMAR_ERROR_INTERNAL, exception.what());
  } catch (...) {
    return report(error, BITMAR_ERROR_INTERNAL, "an exception of unknown type");
  }
}

// kInvalidArgument where a pointer that must be given is NULL.
[[nodiscard]] inline Result<void> require(const void* pointer, std::string_view name) {
  if (pointer == nullptr) return fail(ErrorCode::kInvalidArgument, "{} is NULL", name);
  return {};
}

// The caller's options over the defaults. Fields that the caller's version of the struct did not have, which ends
// after `smallest` bytes at the earliest, keep their defaults.
template <typename Options>
[[nodiscard]] Result<Options> read_options(const Options* given, const Options& defaults, std::size_t smallest,
                                           std::string_view name) {
  if (given == nullptr) return defaults;
  if (given->struct_size < smallest || given->struct_size > sizeof(Options)) {
    return fail(ErrorCode::kInvalidArgument, "{}: struct_size is {}; expected {}, as {}_default() sets it", name,
                given->struct_size, sizeof(Options), name);
  }
  Options options = defaults;
  std::memcpy(&options, given, given->struct_size);
  return options;
}

}  // namespace bitmar::capi
