#include "model/schema/tensor_codec.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "base/checked.h"
#include "base/float16.h"
#include "io/data_type.h"
#include "kernels/ternary_format.h"

namespace bitmar {
namespace {

constexpr const char* kNamesKey = "bitmar.ternary.names";
constexpr const char* kRowsKey = "bitmar.ternary.rows";
constexpr const char* kColumnsKey = "bitmar.ternary.columns";
constexpr const char* kScalesKey = "bitmar.ternary.scales";
constexpr std::string_view kScaleSuffix = "_scale";
constexpr std::string_view kTokenizerPrefix = "tokenizer.";
constexpr float kInt8Limit = 127.0f;
constexpr std::size_t kCheckedBytes = std::size_t{1} << 18;

std::string scale_name(std::string_view tensor_name) {
  return fmt::format("{}{}", tensor_name, kScaleSuffix);
}

std::vector<std::uint16_t> to_halves(std::span<const float> values) {
  std::vector<std::uint16_t> halves(values.size());
  std::ranges::transform(values, halves.begin(), float_to_half);
  return halves;
}

// The tensor `name`, of this type and shape.
Result<std::span<const std::byte>> expect_tensor(const GgufFile& file, std::string_view name, GgufType type,
                                                 std::span<const std::uint64_t> shape) {
  BITMAR_TRY(const GgufTensor* tensor, file.tensor(name));
  if (tensor->type != type) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' is {}; expected {}", file.name(), name,
                gguf_type_name(tensor->type), gguf_type_name(type));
  }
  if (!std::ranges::equal(tensor->shape, shape)) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has the shape [{}]; expected [{}]", file.name(), name,
                fmt::join(tensor->shape, ", "), fmt::join(shape, ", "));
  }
  return tensor->bytes;
}

Result<std::vector<float>> read_floats(const GgufFile& file, std::string_view name, GgufType type,
                                       std::span<const std::uint64_t> shape) {
  BITMAR_TRY(const auto bytes, expect_tensor(file, name, type, shape));
  const std::size_t count = bytes.size() / gguf_type_size(type);
  std::vector<float> values(count);
  convert_to_float(type == GgufType::kF16 ? DataType::kF16 : DataType::kF32, bytes, values);
  const auto bad = std::ranges::find_if_not(values, [](float value) { return std::isfinite(value); });
  if (bad != values.end()) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has the value {} at index {}; expected finite values",
                file.name(), name, *bad, bad - values.begin());
  }
  return values;
}

template <typename T>
Result<std::vector<T>> ternary_column(const GgufFile& file, const char* key, std::size_t count) {
  BITMAR_TRY(auto column, file.value<std::vector<T>>(key));
  if (column.size() != count) {
    return fail(ErrorCode::kInvalidFile, "{}: key '{}' has {} elements, but {} has {}", file.name(), key, column.size(),
                kNamesKey, count);
  }
  return column;
}

}  // namespace

Int8Matrix quantize_int8_rows(std::span<const float> weights, std::size_t rows, std::size_t columns) {
  assert(weights.size() == rows * columns);
  Int8Matrix matrix{std::vector<std::int8_t>(weights.size()), std::vector<float>(rows), rows, columns};
  for (std::size_t row = 0; row < rows; ++row) {
    const auto values = weights.subspan(row * columns, columns);
    float largest = 0.0f;
    bool finite = true;
    for (const float value : values) {
      largest = std::max(largest, std::abs(value));
      finite = finite && std::isfinite(value);
    }
    const float scale = half_to_float(float_to_half(largest / kInt8Limit));
    matrix.scales[row] = finite ? scale : std::numeric_limits<float>::quiet_NaN();
    if (!finite || scale == 0.0f) continue;
    std::ranges::transform(values, matrix.codes.begin() + static_cast<std::ptrdiff_t>(row * columns), [&](float value) {
      return static_cast<std::int8_t>(std::clamp(std::nearbyint(value / scale), -kInt8Limit, kInt8Limit));
    });
  }
  return matrix;
}

void TensorEncoder::ternary(const TensorSpec& spec, std::span<const std::int8_t> codes, float scale) {
  assert(spec.kind == TensorKind::kTernary && spec.shape.size() == 2 && codes.size() == spec.elements());
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(ternary_packed_size(codes.size())));
  ternary_pack(codes, packed);
  writer_.add_tensor(spec.name, GgufType::kI8, {packed.size()}, std::as_bytes(std::span(packed)));
  names_.push_back(spec.name);
  rows_.push_back(static_cast<std::uint32_t>(spec.shape[0]));
  columns_.push_back(static_cast<std::uint32_t>(spec.shape[1]));
  scales_.push_back(scale);
}

void TensorEncoder::int8_rows(const TensorSpec& spec, const Int8Matrix& matrix) {
  assert(spec.kind == TensorKind::kInt8Rows && spec.shape == (std::vector<std::uint64_t>{matrix.rows, matrix.columns}));
  writer_.add_tensor(spec.name, GgufType::kI8, spec.shape, std::as_bytes(std::span(matrix.codes)));
  const auto scales = to_halves(matrix.scales);
  writer_.add_tensor(scale_name(spec.name), GgufType::kF16, {matrix.rows}, std::as_bytes(std::span(scales)));
}

void TensorEncoder::floats(const TensorSpec& spec, std::span<const float> values) {
  assert(values.size() == spec.elements());
  if (spec.kind == TensorKind::kFloat16) {
    const auto halves = to_halves(values);
    writer_.add_tensor(spec.name, GgufType::kF16, spec.shape, std::as_bytes(std::span(halves)));
  } else {
    assert(spec.kind == TensorKind::kFloat32);
    writer_.add_tensor(spec.name, GgufType::kF32, spec.shape, std::as_bytes(values));
  }
}

void TensorEncoder::finish() {
  if (names_.empty()) return;
  writer_.set(kNamesKey, names_);
  writer_.set(kRowsKey, rows_);
  writer_.set(kColumnsKey, columns_);
  writer_.set(kScalesKey, scales_);
}

Result<TensorDecoder> TensorDecoder::open(const GgufFile& file) {
  TensorDecoder decoder(file);
  if (!file.contains(kNamesKey)) return decoder;
  BITMAR_TRY(const auto names, file.value<std::vector<std::string>>(kNamesKey));
  BITMAR_TRY(const auto rows, ternary_column<std::uint32_t>(file, kRowsKey, names.size()));
  BITMAR_TRY(const auto columns, ternary_column<std::uint32_t>(file, kColumnsKey, names.size()));
  BITMAR_TRY(const auto scales, ternary_column<float>(file, kScalesKey, names.size()));
  for (std::size_t index = 0; index < names.size(); ++index) {
    const float scale = scales[index];
    if (!std::isfinite(scale) || scale <= 0.0f) {
      return fail(ErrorCode::kInvalidFile, "{}: {} of tensor '{}' is {}; expected a positive number", file.name(),
                  kScalesKey, names[index], scale);
    }
    if (!decoder.ternary_.emplace(names[index], Ternary{rows[index], columns[index], scale}).second) {
      return fail(ErrorCode::kInvalidFile, "{}: {} lists '{}' twice", file.name(), kNamesKey, names[index]);
    }
  }
  return decoder;
}

Result<PackedTernaryMatrix> TensorDecoder::packed_ternary(const TensorSpec& spec) const {
  assert(spec.kind == TensorKind::kTernary && spec.shape.size() == 2);
  const auto found = ternary_.find(spec.name);
  if (found == ternary_.end()) {
    return fail(ErrorCode::kNotFound, "{}: {} does not list the tensor '{}'", file_.name(), kNamesKey, spec.name);
  }
  const auto& [rows, columns, scale] = found->second;
  if (rows != spec.shape[0] || columns != spec.shape[1]) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has the logical shape [{}, {}]; expected [{}, {}]",
                file_.name(), spec.name, rows, columns, spec.shape[0], spec.shape[1]);
  }
  const std::uint64_t packed_shape[] = {ternary_packed_size(rows * columns)};
  BITMAR_TRY(const auto bytes, expect_tensor(file_, spec.name, GgufType::kI8, packed_shape));
  if (!checked_cast<std::size_t>(rows * columns)) {
    return fail(ErrorCode::kUnsupported, "{}: tensor '{}' does not fit the address space", file_.name(), spec.name);
  }
  return PackedTernaryMatrix{{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                             static_cast<std::size_t>(rows),
                             static_cast<std::size_t>(columns),
                             scale,
                             fmt::format("{}: tensor '{}'", file_.name(), spec.name)};
}

Result<TernaryMatrix> TensorDecoder::ternary(const TensorSpec& spec) const {
  BITMAR_TRY(const PackedTernaryMatrix packed, packed_ternary(spec));
  const auto& [bytes, rows, columns, scale, name] = packed;
  TernaryMatrix matrix{std::vector<std::int8_t>(rows * columns), rows, columns, scale};
  BITMAR_TRY_VOID(ternary_unpack(bytes, matrix.codes, name));
  return matrix;
}

Result<Int8MatrixView> TensorDecoder::int8_rows_view(const TensorSpec& spec) const {
  assert(spec.kind == TensorKind::kInt8Rows && spec.shape.size() == 2);
  BITMAR_TRY(const auto bytes, expect_tensor(file_, spec.name, GgufType::kI8, spec.shape));
  const auto rows = static_cast<std::size_t>(spec.shape[0]);  // their product is bytes.size()
  const auto columns = static_cast<std::size_t>(spec.shape[1]);
  const std::uint64_t scale_shape[] = {rows};
  const std::string scales_tensor = scale_name(spec.name);
  BITMAR_TRY(auto scales, read_floats(file_, scales_tensor, GgufType::kF16, scale_shape));
  const std::span codes(reinterpret_cast<const std::int8_t*>(bytes.data()), bytes.size());
  // A block at a time, so that checking a large matrix does not keep it in memory.
  for (std::size_t begin = 0; begin < codes.size(); begin += kCheckedBytes) {
    const std::size_t count = std::min(kCheckedBytes, codes.size() - begin);
    std::int8_t least = 0;
    for (const std::int8_t code : codes.subspan(begin, count)) least = std::min(least, code);
    if (codes.size() > kCheckedBytes) file_.release(bytes.subspan(begin, count));
    if (least < -kInt8Limit) {
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has the code -128; expected -127 to 127", file_.name(),
                  spec.name);
    }
  }
  for (std::size_t row = 0; row < rows; ++row) {
    const float scale = scales[row];
    if (scale > 0.0f) continue;
    const auto row_codes = codes.subspan(row * columns, columns);
    if (scale < 0.0f || std::ranges::any_of(row_codes, [](std::int8_t code) { return code != 0; })) {
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has the scale {} in row {}; expected a positive number",
                  file_.name(), scales_tensor, scale, row);
    }
  }
  return Int8MatrixView{codes, std::move(scales), rows, columns};
}

Result<Int8Matrix> TensorDecoder::int8_rows(const TensorSpec& spec) const {
  BITMAR_TRY(Int8MatrixView view, int8_rows_view(spec));
  return Int8Matrix{{view.codes.begin(), view.codes.end()}, std::move(view.scales), view.rows, view.columns};
}

Result<std::vector<float>> TensorDecoder::floats(const TensorSpec& spec) const {
  assert(spec.kind == TensorKind::kFloat32 || spec.kind == TensorKind::kFloat16);
  return read_floats(file_, spec.name, spec.kind == TensorKind::kFloat16 ? GgufType::kF16 : GgufType::kF32, spec.shape);
}

Result<void> TensorDecoder::check_complete(const std::vector<TensorSpec>& table) const {
  std::set<std::string, std::less<>> known;
  std::set<std::string_view> ternary;
  for (const auto& spec : table) {
    known.insert(spec.name);
    if (spec.kind == TensorKind::kInt8Rows) known.insert(scale_name(spec.name));
    if (spec.kind == TensorKind::kTernary) ternary.insert(spec.name);
  }
  for (const auto& tensor : file_.tensors()) {
    if (known.contains(tensor.name) || tensor.name.starts_with(kTokenizerPrefix)) continue;
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' is not part of this model", file_.name(), tensor.name);
  }
  for (const auto& [name, entry] : ternary_) {
    if (ternary.contains(name)) continue;
    return fail(ErrorCode::kInvalidFile, "{}: {} lists '{}', which is no ternary tensor of this model", file_.name(),
                kNamesKey, name);
  }
  return {};
}

}  // namespace bitmar
