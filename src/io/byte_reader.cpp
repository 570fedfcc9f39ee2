#include "io/byte_reader.h"

#include <algorithm>

namespace bitmar {

Result<std::span<const std::byte>> ByteReader::take(std::uint64_t count, std::string_view what) {
  if (count > remaining()) {
    return fail(ErrorCode::kInvalidFile, "{}: {} needs {} bytes at offset {}, but {} remain", name_, what, count,
                position_, remaining());
  }
  const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
  position_ += taken.size();
  return taken;
}

Result<void> ByteReader::align(std::size_t alignment, std::string_view what) {
  const std::size_t past = position_ % alignment;
  if (past == 0) return {};
  BITMAR_TRY(const auto padding, take(alignment - past, what));
  if (std::ranges::any_of(padding, [](std::byte value) { return value != std::byte{0}; })) {
    return fail(ErrorCode::kInvalidFile, "{}: {} before offset {} is not zero", name_, what, position_);
  }
  return {};
}

}  // namespace bitmar
