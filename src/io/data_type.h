// Element types of safetensors and .npy files, and their conversion to FP32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace bitmar {

enum class DataType { kBool, kU8, kI8, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kI64, kU64, kF64 };

[[nodiscard]] std::size_t data_type_size(DataType type);
[[nodiscard]] std::string_view data_type_name(DataType type);  // safetensors' own: "F32", "I64", …

// True for F16, BF16, F32 and F64.
[[nodiscard]] bool is_float_type(DataType type);

// Converts little-endian floats of any alignment; `type` is a float type, `bytes` holds values.size() of them
// (asserted). F64 is rounded to FP32.
void convert_to_float(DataType type, std::span<const std::byte> bytes, std::span<float> values);

}  // namespace bitmar
