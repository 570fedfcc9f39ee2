// The safetensors format: an 8-byte header length, a JSON header, then tensors without holes or overlaps. The bytes of
// a foreign file's tensors need not be aligned: copy them out, do not cast the pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/data_type.h"
#include "io/mapped_file.h"

namespace bitmar {

struct SafeTensor {
  std::string name;
  DataType type = DataType::kF32;
  std::vector<std::uint64_t> shape;  // row-major, slowest first
  std::span<const std::byte> bytes;  // borrowed from the file
};

class SafeTensorsFile {
 public:
  static Result<SafeTensorsFile> open(const std::string& path);
  static Result<SafeTensorsFile> parse(std::span<const std::byte> bytes, const std::string& name);

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& metadata() const;  // __metadata__
  [[nodiscard]] const std::vector<SafeTensor>& tensors() const;                           // in file order
  // kNotFound names the file and the tensor.
  [[nodiscard]] Result<const SafeTensor*> tensor(std::string_view tensor_name) const;
  // The tensor's values as FP32, whatever float type it has (F16, BF16, F32, F64); its element count must be
  // `expected`.
  [[nodiscard]] Result<std::vector<float>> floats(std::string_view tensor_name, std::uint64_t expected) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

class SafeTensorsWriter {
 public:
  void set_metadata(std::string_view key, std::string_view value);
  // `bytes` are borrowed until write() returns; their count must fit type and shape (asserted). In the file, tensors
  // of wider types come first, so that each lies at a multiple of its element size.
  void add_tensor(std::string_view name, DataType type, std::vector<std::uint64_t> shape,
                  std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> write(const std::string& path) const;  // atomic

 private:
  std::map<std::string, std::string, std::less<>> metadata_;
  std::vector<SafeTensor> tensors_;
};

}  // namespace bitmar
