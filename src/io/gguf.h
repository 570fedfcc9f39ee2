// GGUF version 3, little-endian: metadata and tensors of one file. The layout is that of the ggml project's
// docs/gguf.md; the official `gguf` Python package opens what the writer makes.
//
//   BITMAR_TRY(const GgufFile file, GgufFile::open("model.gguf"));
//   BITMAR_TRY(const std::uint32_t width, file.value<std::uint32_t>("bitmar.embedding_length"));
//   BITMAR_TRY(const GgufTensor* tensor, file.tensor("token_embedding.weight"));   // valid as long as `file`
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "io/mapped_file.h"

namespace bitmar {

// The tensor types that we read and write; values are ggml's.
enum class GgufType : std::uint32_t { kF32 = 0, kF16 = 1, kI8 = 24, kI16 = 25, kI32 = 26 };

[[nodiscard]] std::size_t gguf_type_size(GgufType type);
[[nodiscard]] std::string_view gguf_type_name(GgufType type);

// A tensor's place in the file. `shape` is row-major, slowest dimension first (the file holds it reversed).
struct GgufTensor {
  std::string name;
  GgufType type = GgufType::kF32;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;  // borrowed from the file
};

// A metadata value. Arrays hold one type; arrays of arrays are refused.
using GgufValue =
    std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float, bool,
                 std::string, std::uint64_t, std::int64_t, double, std::vector<std::uint8_t>, std::vector<std::int8_t>,
                 std::vector<std::uint16_t>, std::vector<std::int16_t>, std::vector<std::uint32_t>,
                 std::vector<std::int32_t>, std::vector<float>, std::vector<bool>, std::vector<std::string>,
                 std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;

class GgufFile {
 public:
  // Maps the file; the result keeps the mapping alive and is cheap to copy.
  static Result<GgufFile> open(const std::string& path);
  // Parses bytes that outlive the result. Refused: duplicate keys or tensor names, holes, overlaps, misalignment,
  // unknown types, sizes beyond the file, more than 4 dimensions, non-UTF-8 keys, names and strings, bytes after the
  // last tensor's padding.
  static Result<GgufFile> parse(std::span<const std::byte> bytes, const std::string& name);

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const std::map<std::string, GgufValue, std::less<>>& metadata() const;
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const;
  [[nodiscard]] std::span<const std::byte> bytes() const;  // the whole file, header included
  [[nodiscard]] std::uint64_t size_bytes() const { return bytes().size(); }
  // Tells that `part` of bytes() is not read again soon: a mapped file then gives its memory back.
  void release(std::span<const std::byte> part) const;

  // The value of `key`: kNotFound where it is missing, kInvalidFile where it has another type.
  template <typename T>
  [[nodiscard]] Result<T> value(std::string_view key) const {
    const auto found = metadata().find(key);
    if (found == metadata().end()) return fail(ErrorCode::kNotFound, "{}: key '{}' is missing", name(), key);
    const T* typed = std::get_if<T>(&found->second);
    if (typed == nullptr) return fail(ErrorCode::kInvalidFile, "{}: key '{}' has an unexpected type", name(), key);
    return *typed;
  }
  [[nodiscard]] bool contains(std::string_view key) const { return metadata().contains(key); }

  // Never null on success; valid as long as this file or a copy of it.
  [[nodiscard]] Result<const GgufTensor*> tensor(std::string_view tensor_name) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Collects metadata and tensors and writes them in one go, through AtomicFile. Keys and tensors keep their order.
class GgufWriter {
 public:
  explicit GgufWriter(std::string_view architecture);  // sets general.architecture and general.alignment = 32
  // Setting a key again replaces its value.
  void set(std::string_view key, GgufValue value);
  // `bytes` are copied; their count must fit type and shape (asserted).
  void add_tensor(std::string_view name, GgufType type, std::vector<std::uint64_t> shape,
                  std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> write(const std::string& path) const;
  // The file's bytes, as write() would write them.
  [[nodiscard]] std::vector<std::byte> serialize() const;

 private:
  // Everything before the tensor data, padded to the alignment.
  [[nodiscard]] std::vector<std::byte> header() const;

  std::vector<std::pair<std::string, GgufValue>> metadata_;
  struct Tensor {
    std::string name;
    GgufType type;
    std::vector<std::uint64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::vector<Tensor> tensors_;
};

}  // namespace bitmar
