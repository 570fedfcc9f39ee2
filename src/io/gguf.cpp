#include "io/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <type_traits>

#include "base/checked.h"
#include "io/byte_reader.h"
#include "io/gguf_layout.h"
#include "io/utf8.h"

namespace bitmar {

struct GgufFile::State {
  std::optional<MappedFile> mapping;
  std::string name;
  std::span<const std::byte> bytes;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufTensor> tensors;
  std::map<std::string_view, std::size_t> tensor_index;  // views of tensors[i].name
};

namespace {

using gguf::kArrayType;
using gguf::kStringType;

// A tensor of the directory, before its bytes are found.
struct Placed {
  GgufTensor tensor;
  std::uint64_t offset = 0;  // from the start of the data
  std::uint64_t size = 0;
};

Result<std::string> read_string(ByteReader& reader, std::uint64_t maximum, std::string_view what) {
  BITMAR_TRY(const auto length, reader.read<std::uint64_t>(what));
  if (length > maximum) {
    return fail(ErrorCode::kInvalidFile, "{}: {} is {} bytes long; expected at most {}", reader.name(), what, length,
                maximum);
  }
  BITMAR_TRY(const auto bytes, reader.take(length, what));
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!is_valid_utf8(text)) return fail(ErrorCode::kInvalidFile, "{}: {} is not UTF-8", reader.name(), what);
  return text;
}

template <typename T>
Result<T> read_scalar(ByteReader& reader, std::string_view key) {
  if constexpr (std::is_same_v<T, std::string>) {
    return read_string(reader, reader.remaining(), key);
  } else if constexpr (std::is_same_v<T, bool>) {
    BITMAR_TRY(const auto byte, reader.read<std::uint8_t>(key));
    if (byte > 1) return fail(ErrorCode::kInvalidFile, "{}: {} is {}; expected 0 or 1", reader.name(), key, byte);
    return byte == 1;
  } else {
    return reader.read<T>(key);
  }
}

template <typename T>
Result<GgufValue> read_array(ByteReader& reader, std::uint64_t count, std::string_view key) {
  // A string takes its 8-byte length at least.
  constexpr std::uint64_t kSmallest = std::is_same_v<T, std::string> ? 8 : sizeof(T);
  if (count > reader.remaining() / kSmallest) {
    return fail(ErrorCode::kInvalidFile, "{}: {} announces {} elements, but {} bytes remain", reader.name(), key, count,
                reader.remaining());
  }
  std::vector<T> values;
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    BITMAR_TRY(const auto bytes, reader.take(count * sizeof(T), key));
    values.resize(static_cast<std::size_t>(count));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  } else {
    values.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t index = 0; index < count; ++index) {
      BITMAR_TRY(auto value, read_scalar<T>(reader, key));
      values.push_back(std::move(value));
    }
  }
  return GgufValue(std::move(values));
}

// Calls `visit.template operator()<T>()` with the C++ type of a file's type number, which is not kArrayType.
template <std::size_t Alternative = 0, typename Visitor>
Result<GgufValue> dispatch_scalar(std::uint32_t type, const Visitor& visit) {
  if constexpr (Alternative + 1 < gguf::kScalarTypes) {
    if (type != gguf::scalar_type_number(Alternative)) return dispatch_scalar<Alternative + 1>(type, visit);
  }
  return visit.template operator()<std::variant_alternative_t<Alternative, GgufValue>>();
}

Result<std::uint32_t> read_value_type(ByteReader& reader, std::string_view key) {
  BITMAR_TRY(const auto type, reader.read<std::uint32_t>(key));
  if (type >= gguf::kTypeCount) {
    return fail(ErrorCode::kInvalidFile, "{}: {} has the unknown value type {}", reader.name(), key, type);
  }
  return type;
}

Result<GgufValue> read_value(ByteReader& reader, std::string_view key) {
  BITMAR_TRY(const auto type, read_value_type(reader, key));
  if (type != kArrayType) {
    return dispatch_scalar(type, [&]<typename T>() -> Result<GgufValue> {
      BITMAR_TRY(auto value, read_scalar<T>(reader, key));
      return GgufValue(std::move(value));
    });
  }
  BITMAR_TRY(const auto element_type, read_value_type(reader, key));
  if (element_type == kArrayType) {
    return fail(ErrorCode::kUnsupported, "{}: {} is an array of arrays; expected one level", reader.name(), key);
  }
  BITMAR_TRY(const auto count, reader.read<std::uint64_t>(key));
  return dispatch_scalar(element_type, [&]<typename T>() { return read_array<T>(reader, count, key); });
}

Result<Placed> read_tensor_entry(ByteReader& reader) {
  Placed placed;
  BITMAR_TRY(placed.tensor.name, read_string(reader, gguf::kMaximumNameBytes, "a tensor name"));
  const std::string what = fmt::format("tensor '{}'", placed.tensor.name);
  if (placed.tensor.name.empty()) return fail(ErrorCode::kInvalidFile, "{}: a tensor has no name", reader.name());
  BITMAR_TRY(const auto dimensions, reader.read<std::uint32_t>(what));
  if (dimensions < 1 || dimensions > gguf::kMaximumDimensions) {
    return fail(ErrorCode::kInvalidFile, "{}: {} has {} dimensions; expected 1 to {}", reader.name(), what, dimensions,
                gguf::kMaximumDimensions);
  }
  placed.tensor.shape.resize(dimensions);
  for (std::size_t axis = dimensions; axis-- > 0;) {  // fastest first in the file
    BITMAR_TRY(placed.tensor.shape[axis], reader.read<std::uint64_t>(what));
  }
  BITMAR_TRY(const auto type, reader.read<std::uint32_t>(what));
  placed.tensor.type = static_cast<GgufType>(type);
  const auto elements = checked_product(placed.tensor.shape);
  const std::uint64_t element_size = gguf_type_size(placed.tensor.type);
  if (element_size == 0) {
    return fail(ErrorCode::kUnsupported, "{}: {} has ggml type {}; expected F32, F16, I8, I16 or I32", reader.name(),
                what, type);
  }
  const auto size = elements ? checked_multiply(*elements, element_size) : std::nullopt;
  if (!size) return fail(ErrorCode::kInvalidFile, "{}: {} has a shape that overflows", reader.name(), what);
  placed.size = *size;
  BITMAR_TRY(placed.offset, reader.read<std::uint64_t>(what));
  return placed;
}

// Refuses early what the remaining bytes cannot hold, so that a count is safe to reserve.
Result<void> check_count(const ByteReader& reader, std::uint64_t count, std::uint64_t smallest, std::string_view what) {
  if (count <= reader.remaining() / smallest) return {};
  return fail(ErrorCode::kInvalidFile, "{}: the header announces {} {}, but {} bytes remain", reader.name(), count,
              what, reader.remaining());
}

Result<std::uint32_t> read_alignment(const std::map<std::string, GgufValue, std::less<>>& metadata,
                                     std::string_view name) {
  const auto found = metadata.find(gguf::kAlignmentKey);
  if (found == metadata.end()) return gguf::kDefaultAlignment;
  const auto* alignment = std::get_if<std::uint32_t>(&found->second);
  if (alignment == nullptr || !std::has_single_bit(*alignment) || *alignment < 8 || *alignment > 65536) {
    return fail(ErrorCode::kInvalidFile, "{}: {} must be a power of two from 8 to 65536, of type uint32", name,
                gguf::kAlignmentKey);
  }
  return *alignment;
}

Result<void> check_preamble(ByteReader& reader) {
  BITMAR_TRY(const auto magic, reader.read<std::uint32_t>("the magic number"));
  if (magic != gguf::kMagic) {
    return fail(ErrorCode::kInvalidFile, "{}: not a GGUF file (it does not begin with 'GGUF')", reader.name());
  }
  BITMAR_TRY(const auto version, reader.read<std::uint32_t>("the version"));
  if (version == gguf::kVersion << 24) {
    return fail(ErrorCode::kUnsupported, "{}: big-endian GGUF; expected little-endian", reader.name());
  }
  if (version != gguf::kVersion) {
    return fail(ErrorCode::kUnsupported, "{}: GGUF version {}; expected {}", reader.name(), version, gguf::kVersion);
  }
  return {};
}

// The data section: each tensor at the first aligned offset after its predecessor, zeros between, nothing after.
Result<void> locate(std::vector<Placed>& directory, ByteReader& reader, std::uint32_t alignment) {
  if (directory.empty() && reader.remaining() == 0) return {};
  BITMAR_TRY_VOID(reader.align(alignment, "the padding after the header"));
  const std::size_t data_start = reader.position();
  for (auto& placed : directory) {
    const std::string what = fmt::format("tensor '{}'", placed.tensor.name);
    BITMAR_TRY_VOID(reader.align(alignment, "the padding before " + what));
    const std::uint64_t expected = reader.position() - data_start;
    if (placed.offset != expected) {
      return fail(ErrorCode::kInvalidFile, "{}: {} lies at offset {} of the data; expected {}", reader.name(), what,
                  placed.offset, expected);
    }
    BITMAR_TRY(placed.tensor.bytes, reader.take(placed.size, what));
  }
  if (reader.remaining() > 0) BITMAR_TRY_VOID(reader.align(alignment, "the padding after the last tensor"));
  if (reader.remaining() > 0) {
    return fail(ErrorCode::kInvalidFile, "{}: {} bytes follow the last tensor", reader.name(), reader.remaining());
  }
  return {};
}

}  // namespace

std::size_t gguf_type_size(GgufType type) {
  switch (type) {
    case GgufType::kF32:
    case GgufType::kI32:
      return 4;
    case GgufType::kF16:
    case GgufType::kI16:
      return 2;
    case GgufType::kI8:
      return 1;
  }
  return 0;
}

std::string_view gguf_type_name(GgufType type) {
  switch (type) {
    case GgufType::kF32:
      return "F32";
    case GgufType::kF16:
      return "F16";
    case GgufType::kI8:
      return "I8";
    case GgufType::kI16:
      return "I16";
    case GgufType::kI32:
      return "I32";
  }
  return "?";
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  BITMAR_TRY(MappedFile mapping, MappedFile::open(path));
  BITMAR_TRY(GgufFile file, parse(mapping.bytes(), path));
  // The state is still ours alone: nobody has seen `file` yet.
  std::const_pointer_cast<State>(file.state_)->mapping = std::move(mapping);
  return file;
}

Result<GgufFile> GgufFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  auto state = std::make_shared<State>();
  state->name = name;
  state->bytes = bytes;
  ByteReader reader(bytes, name);
  BITMAR_TRY_VOID(check_preamble(reader));
  BITMAR_TRY(const auto tensor_count, reader.read<std::uint64_t>("the tensor count"));
  BITMAR_TRY(const auto key_count, reader.read<std::uint64_t>("the key count"));
  constexpr std::uint64_t kSmallestKey = 8 + 1 + 4 + 1;             // length, name, type, value
  constexpr std::uint64_t kSmallestTensor = 8 + 1 + 4 + 8 + 4 + 8;  // length, name, dimensions, extent, type, offset
  BITMAR_TRY_VOID(check_count(reader, key_count, kSmallestKey, "keys"));
  BITMAR_TRY_VOID(check_count(reader, tensor_count, kSmallestTensor, "tensors"));

  for (std::uint64_t index = 0; index < key_count; ++index) {
    BITMAR_TRY(std::string key, read_string(reader, gguf::kMaximumKeyBytes, "a metadata key"));
    if (key.empty()) return fail(ErrorCode::kInvalidFile, "{}: a metadata key is empty", name);
    BITMAR_TRY(GgufValue value, read_value(reader, fmt::format("key '{}'", key)));
    if (state->metadata.contains(key)) return fail(ErrorCode::kInvalidFile, "{}: key '{}' occurs twice", name, key);
    state->metadata.emplace(std::move(key), std::move(value));
  }
  BITMAR_TRY(const std::uint32_t alignment, read_alignment(state->metadata, name));

  BITMAR_TRY_VOID(check_count(reader, tensor_count, kSmallestTensor, "tensors"));
  std::vector<Placed> directory;
  directory.reserve(static_cast<std::size_t>(tensor_count));
  for (std::uint64_t index = 0; index < tensor_count; ++index) {
    BITMAR_TRY(Placed placed, read_tensor_entry(reader));
    directory.push_back(std::move(placed));
  }
  BITMAR_TRY_VOID(locate(directory, reader, alignment));

  state->tensors.reserve(directory.size());
  for (auto& placed : directory) state->tensors.push_back(std::move(placed.tensor));
  for (std::size_t index = 0; index < state->tensors.size(); ++index) {
    const std::string& tensor_name = state->tensors[index].name;
    if (!state->tensor_index.emplace(tensor_name, index).second) {
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' occurs twice", name, tensor_name);
    }
  }
  GgufFile file;
  file.state_ = std::move(state);
  return file;
}

const std::string& GgufFile::name() const {
  return state_->name;
}
const std::map<std::string, GgufValue, std::less<>>& GgufFile::metadata() const {
  return state_->metadata;
}
const std::vector<GgufTensor>& GgufFile::tensors() const {
  return state_->tensors;
}
std::span<const std::byte> GgufFile::bytes() const {
  return state_->bytes;
}

void GgufFile::release(std::span<const std::byte> part) const {
  if (state_->mapping) state_->mapping->release(part);
}

Result<const GgufTensor*> GgufFile::tensor(std::string_view tensor_name) const {
  const auto found = state_->tensor_index.find(tensor_name);
  if (found == state_->tensor_index.end()) {
    return fail(ErrorCode::kNotFound, "{}: tensor '{}' is missing", name(), tensor_name);
  }
  return &state_->tensors[found->second];
}

}  // namespace bitmar
