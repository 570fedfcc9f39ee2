// The only cursor over untrusted bytes. Every read is checked against the bytes that remain; nothing here allocates
// more than the input can back.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace bitmar {

static_assert(std::endian::native == std::endian::little, "file formats are read in place: little-endian hosts only");

class ByteReader {
 public:
  // `name` stands in error messages: the file's name.
  ByteReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - position_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  // A little-endian number; `what` names the field in the error. A bool is read as a byte and checked by the caller.
  template <typename T>
  requires(std::is_arithmetic_v<T> && !std::same_as<T, bool>) Result<T> read(std::string_view what) {
    BITMAR_TRY(const auto raw, take(sizeof(T), what));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  // The next `count` bytes, not copied.
  Result<std::span<const std::byte>> take(std::uint64_t count, std::string_view what);
  // Skips to the next multiple of `alignment` (> 0); the skipped bytes must be zero.
  Result<void> align(std::size_t alignment, std::string_view what);

 private:
  std::span<const std::byte> bytes_;
  std::string name_;
  std::size_t position_ = 0;
};

}  // namespace bitmar
