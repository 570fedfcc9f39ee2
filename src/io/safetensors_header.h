// The JSON header of a safetensors file, read without building a document: duplicate and unknown keys, and values of
// another type than the format's, are refused as they appear.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/data_type.h"

namespace bitmar {

struct SafeTensorsHeader {
  struct Entry {
    std::string name;
    DataType type = DataType::kF32;
    std::vector<std::uint64_t> shape;
    std::uint64_t begin = 0;  // in the data that follow the header
    std::uint64_t end = 0;
  };
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<Entry> entries;  // in the header's order
};

// `name` is the file's, for errors.
[[nodiscard]] Result<SafeTensorsHeader> parse_safetensors_header(std::string_view json, const std::string& name);

}  // namespace bitmar
