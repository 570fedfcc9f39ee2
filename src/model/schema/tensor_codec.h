// A model's tensors to and from GGUF, by the tensor table: what the exporter, the converter and the loader share.
//
// A ternary matrix is an I8 tensor of packed bytes [ceil(rows * columns / 5)]; its logical shape and scale stand in
// the metadata arrays bitmar.ternary.{names,rows,columns,scales}. An int8 matrix is an I8 tensor [rows, columns] with
// an F16 tensor `<name>_scale` [rows].
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/gguf.h"
#include "model/schema/tensor_table.h"

namespace bitmar {

// Decoded ternary matrix: what a kernel repacks, or a trainer compares.
struct TernaryMatrix {
  std::vector<std::int8_t> codes;  // [rows * columns] in {-1, 0, 1}
  std::size_t rows = 0;
  std::size_t columns = 0;
  float scale = 0.0f;  // gamma
};

// The same as the file holds it, five codes a byte (kernels/ternary_format.h): what is unpacked a block at a time.
struct PackedTernaryMatrix {
  std::span<const std::uint8_t> packed;  // borrowed from the file
  std::size_t rows = 0;
  std::size_t columns = 0;
  float scale = 0.0f;
  std::string name;  // file and tensor, for errors
};

struct Int8Matrix {
  std::vector<std::int8_t> codes;  // [rows * columns]
  std::vector<float> scales;       // [rows], exactly representable in F16
  std::size_t rows = 0;
  std::size_t columns = 0;
};

// The same with the codes where the file holds them.
struct Int8MatrixView {
  std::span<const std::int8_t> codes;  // [rows * columns], borrowed from the file
  std::vector<float> scales;           // [rows]
  std::size_t rows = 0;
  std::size_t columns = 0;
};

// Per-row int8: scale = F16(max|row| / 127), code = clip(round_half_even(w / scale), -127, 127); a row whose scale
// rounds to 0 gets codes 0. The trainer's fake quantization computes the same.
[[nodiscard]] Int8Matrix quantize_int8_rows(std::span<const float> weights, std::size_t rows, std::size_t columns);

// Writes tensors in any order; finish() adds the ternary metadata arrays.
class TensorEncoder {
 public:
  explicit TensorEncoder(GgufWriter& writer) : writer_(writer) {}
  void ternary(const TensorSpec& spec, std::span<const std::int8_t> codes, float scale);
  void int8_rows(const TensorSpec& spec, const Int8Matrix& matrix);
  void floats(const TensorSpec& spec, std::span<const float> values);  // kFloat32 or kFloat16, by the spec
  void finish();

 private:
  GgufWriter& writer_;
  std::vector<std::string> names_;
  std::vector<std::uint32_t> rows_;
  std::vector<std::uint32_t> columns_;
  std::vector<float> scales_;
};

// Reads tensors and checks each against its spec: type, shape, finite positive scales, finite values.
class TensorDecoder {
 public:
  static Result<TensorDecoder> open(const GgufFile& file);
  [[nodiscard]] Result<TernaryMatrix> ternary(const TensorSpec& spec) const;
  // Leaves the check of the packed bytes to who unpacks them.
  [[nodiscard]] Result<PackedTernaryMatrix> packed_ternary(const TensorSpec& spec) const;
  [[nodiscard]] Result<Int8Matrix> int8_rows(const TensorSpec& spec) const;
  [[nodiscard]] Result<Int8MatrixView> int8_rows_view(const TensorSpec& spec) const;
  [[nodiscard]] Result<std::vector<float>> floats(const TensorSpec& spec) const;
  // Every tensor of the file must be one that `table` names (or the scale of one, or the tokenizer's).
  [[nodiscard]] Result<void> check_complete(const std::vector<TensorSpec>& table) const;

 private:
  struct Ternary {
    std::uint64_t rows;
    std::uint64_t columns;
    float scale;
  };
  explicit TensorDecoder(GgufFile file) : file_(std::move(file)) {}
  GgufFile file_;
  std::map<std::string, Ternary, std::less<>> ternary_;
};

}  // namespace bitmar
