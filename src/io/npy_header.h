// The header of a .npy file: a Python dict literal with the keys descr, fortran_order and shape.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/data_type.h"

namespace bitmar {

struct NpyHeader {
  DataType type = DataType::kF32;
  std::vector<std::uint64_t> shape;  // slowest first; empty for a scalar
  bool operator==(const NpyHeader&) const = default;
};

// `text` is the dict; `name` is the file's, for errors. Fortran order, big-endian and other types are kUnsupported.
[[nodiscard]] Result<NpyHeader> parse_npy_header(std::string_view text, const std::string& name);

// The file's bytes before its data (version 1, padded to a multiple of 64). `header` has a float or integer type.
[[nodiscard]] std::string format_npy_header(const NpyHeader& header);

}  // namespace bitmar
