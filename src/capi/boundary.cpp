#include "capi/boundary.h"

#include <algorithm>

namespace bitmar::capi {

bitmar_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return BITMAR_ERROR_INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return BITMAR_ERROR_NOT_FOUND;
    case ErrorCode::kInvalidFile:
      return BITMAR_ERROR_INVALID_FILE;
    case ErrorCode::kUnsupported:
      return BITMAR_ERROR_UNSUPPORTED;
    case ErrorCode::kOutOfRange:
      return BITMAR_ERROR_OUT_OF_RANGE;
    case ErrorCode::kIo:
      return BITMAR_ERROR_IO;
  }
  return BITMAR_ERROR_INTERNAL;
}

bitmar_status report(bitmar_error* error, bitmar_status status, std::string_view message) noexcept {
  if (error == nullptr) return status;
  std::size_t size = std::min(message.size(), sizeof(error->message) - 1);
  if (size < message.size()) {
    // The first byte left out must not continue a character.
    while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0u) == 0x80u) --size;
  }
  error->status = status;
  std::copy_n(message.data(), size, error->message);
  error->message[size] = '\0';
  return status;
}

}  // namespace bitmar::capi

extern "C" {

const char* bitmar_version(void) {
  return BITMAR_VERSION;
}

const char* bitmar_status_name(int status) {
  switch (status) {
    case BITMAR_OK:
      return "ok";
    case BITMAR_ERROR_INVALID_ARGUMENT:
      return "invalid argument";
    case BITMAR_ERROR_NOT_FOUND:
      return "not found";
    case BITMAR_ERROR_INVALID_FILE:
      return "invalid file";
    case BITMAR_ERROR_UNSUPPORTED:
      return "unsupported";
    case BITMAR_ERROR_OUT_OF_RANGE:
      return "out of range";
    case BITMAR_ERROR_IO:
      return "input/output error";
    case BITMAR_ERROR_OUT_OF_MEMORY:
      return "out of memory";
    case BITMAR_ERROR_INTERNAL:
      return "internal error";
  }
  return "unknown";
}

}  // extern "C"
