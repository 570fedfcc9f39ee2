#include "data/npy_write.h"

#include "io/atomic_file.h"

namespace bitmar {
namespace {

// Version 1.0: magic, version, header length, a Python dict padded with blanks to a multiple of 64, the values.
Result<void> write_array(const std::string& path, std::string_view type, std::size_t count,
                         std::span<const std::byte> values) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}", type, count);
  constexpr std::size_t kPrefix = 10;
  dict.append(63 - (kPrefix + dict.size()) % 64, ' ');
  dict += '\n';
  std::string header = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
  header += static_cast<char>(dict.size() & 0xFFu);
  header += static_cast<char>(dict.size() >> 8);
  header += dict;
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(header))));
  BITMAR_TRY_VOID(file.write(values));
  return file.commit();
}

}  // namespace

Result<void> write_npy(const std::string& path, std::span<const std::uint16_t> values) {
  return write_array(path, "<u2", values.size(), std::as_bytes(values));
}

Result<void> write_npy(const std::string& path, std::span<const std::uint64_t> values) {
  return write_array(path, "<u8", values.size(), std::as_bytes(values));
}

}  // namespace bitmar
