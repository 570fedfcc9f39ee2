// NumPy's .npy (versions 1 and 2), C order, little-endian: memory-mapped reading, and row-by-row writing that can be
// resumed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/data_type.h"
#include "io/mapped_file.h"

namespace bitmar {

class NpyFile {
 public:
  static Result<NpyFile> open(const std::string& path);
  static Result<NpyFile> parse(std::span<const std::byte> bytes, const std::string& name);

  [[nodiscard]] DataType type() const { return type_; }  // F16, F32, F64, I8, U8, I16, U16, I32, U32, I64, U64
  [[nodiscard]] const std::vector<std::uint64_t>& shape() const { return shape_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return data_; }
  [[nodiscard]] std::uint64_t elements() const;
  // Converts row `index` of the first dimension (F16, F32 or F64) to FP32; `out` holds elements() / shape[0].
  [[nodiscard]] Result<void> read_row(std::uint64_t index, std::span<float> out) const;

 private:
  std::shared_ptr<const MappedFile> mapping_;
  std::string name_;
  DataType type_ = DataType::kF32;
  std::vector<std::uint64_t> shape_;
  std::span<const std::byte> data_;
};

// A .npy file of known shape, written in place row by row (the rows not yet written are zero).
class NpyWriter {
 public:
  // Creates the file at its full size, replacing what was there. With `resume`, an existing file of the same type and
  // shape is kept, and one of another type or shape is an error.
  static Result<NpyWriter> create(const std::string& path, DataType type, std::vector<std::uint64_t> shape,
                                  bool resume);
  NpyWriter(NpyWriter&&) noexcept;
  NpyWriter& operator=(NpyWriter&&) noexcept;
  ~NpyWriter();
  // `values` is converted to the file's float type (F16 or F32).
  Result<void> write_row(std::uint64_t index, std::span<const float> values);
  Result<void> flush();

 private:
  struct State;
  explicit NpyWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bitmar
