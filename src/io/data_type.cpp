#include "io/data_type.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "base/float16.h"

namespace bitmar {
namespace {

template <typename Stored, typename Convert>
void convert_each(std::span<const std::byte> bytes, std::span<float> values, const Convert& convert) {
  for (std::size_t index = 0; index < values.size(); ++index) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + index * sizeof(Stored), sizeof(Stored));
    values[index] = convert(stored);
  }
}

}  // namespace

std::size_t data_type_size(DataType type) {
  switch (type) {
    case DataType::kBool:
    case DataType::kU8:
    case DataType::kI8:
      return 1;
    case DataType::kI16:
    case DataType::kU16:
    case DataType::kF16:
    case DataType::kBF16:
      return 2;
    case DataType::kI32:
    case DataType::kU32:
    case DataType::kF32:
      return 4;
    case DataType::kI64:
    case DataType::kU64:
    case DataType::kF64:
      return 8;
  }
  return 0;
}

std::string_view data_type_name(DataType type) {
  switch (type) {
    case DataType::kBool:
      return "BOOL";
    case DataType::kU8:
      return "U8";
    case DataType::kI8:
      return "I8";
    case DataType::kI16:
      return "I16";
    case DataType::kU16:
      return "U16";
    case DataType::kF16:
      return "F16";
    case DataType::kBF16:
      return "BF16";
    case DataType::kI32:
      return "I32";
    case DataType::kU32:
      return "U32";
    case DataType::kF32:
      return "F32";
    case DataType::kI64:
      return "I64";
    case DataType::kU64:
      return "U64";
    case DataType::kF64:
      return "F64";
  }
  return "?";
}

bool is_float_type(DataType type) {
  return type == DataType::kF16 || type == DataType::kBF16 || type == DataType::kF32 || type == DataType::kF64;
}

void convert_to_float(DataType type, std::span<const std::byte> bytes, std::span<float> values) {
  assert(is_float_type(type) && bytes.size() == values.size() * data_type_size(type));
  switch (type) {
    case DataType::kF16:
      return convert_each<std::uint16_t>(bytes, values, half_to_float);
    case DataType::kBF16:
      return convert_each<std::uint16_t>(
          bytes, values, [](std::uint16_t upper) { return std::bit_cast<float>(std::uint32_t{upper} << 16); });
    case DataType::kF64:
      return convert_each<double>(bytes, values, [](double value) { return static_cast<float>(value); });
    default:
      return convert_each<float>(bytes, values, [](float value) { return value; });
  }
}

}  // namespace bitmar
