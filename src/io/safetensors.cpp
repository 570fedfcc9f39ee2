#include "io/safetensors.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/checked.h"
#include "io/byte_reader.h"
#include "io/safetensors_header.h"

namespace bitmar {

struct SafeTensorsFile::State {
  std::optional<MappedFile> mapping;
  std::string name;
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<SafeTensor> tensors;
  std::map<std::string_view, std::size_t> tensor_index;  // views of tensors[i].name
};

namespace {

constexpr std::uint64_t kMaximumHeader = 100'000'000;  // the reference implementation's

// The tensors lie one after the other and fill the data.
Result<std::vector<SafeTensor>> locate(std::vector<SafeTensorsHeader::Entry> entries, ByteReader& reader) {
  using Entry = SafeTensorsHeader::Entry;
  std::ranges::sort(entries, {}, [](const Entry& entry) { return std::tuple(entry.begin, entry.end); });
  std::vector<SafeTensor> tensors;
  tensors.reserve(entries.size());
  std::uint64_t cursor = 0;
  for (auto& entry : entries) {
    const auto elements = checked_product(entry.shape);
    const auto size = elements ? checked_multiply<std::uint64_t>(*elements, data_type_size(entry.type)) : std::nullopt;
    if (!size || entry.end < entry.begin || entry.end - entry.begin != *size) {
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has data_offsets [{}, {}] that do not fit {} and its shape",
                  reader.name(), entry.name, entry.begin, entry.end, data_type_name(entry.type));
    }
    if (entry.begin != cursor) {
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' begins at byte {} of the data; expected {}", reader.name(),
                  entry.name, entry.begin, cursor);
    }
    BITMAR_TRY(const auto bytes, reader.take(*size, fmt::format("tensor '{}'", entry.name)));
    cursor = entry.end;
    tensors.push_back({std::move(entry.name), entry.type, std::move(entry.shape), bytes});
  }
  if (reader.remaining() > 0) {
    return fail(ErrorCode::kInvalidFile, "{}: {} bytes follow the last tensor", reader.name(), reader.remaining());
  }
  return tensors;
}

}  // namespace

Result<SafeTensorsFile> SafeTensorsFile::open(const std::string& path) {
  BITMAR_TRY(MappedFile mapping, MappedFile::open(path));
  BITMAR_TRY(SafeTensorsFile file, parse(mapping.bytes(), path));
  // The state is still ours alone: nobody has seen `file` yet.
  std::const_pointer_cast<State>(file.state_)->mapping = std::move(mapping);
  return file;
}

Result<SafeTensorsFile> SafeTensorsFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  BITMAR_TRY(const auto length, reader.read<std::uint64_t>("the header length"));
  if (length > kMaximumHeader) {
    return fail(ErrorCode::kInvalidFile, "{}: not a safetensors file (a header of {} bytes; expected at most {})", name,
                length, kMaximumHeader);
  }
  BITMAR_TRY(const auto raw, reader.take(length, "the header"));
  if (raw.empty() || raw.front() != std::byte{'{'}) {
    return fail(ErrorCode::kInvalidFile, "{}: not a safetensors file (the header does not begin with '{{')", name);
  }
  BITMAR_TRY(SafeTensorsHeader header,
             parse_safetensors_header({reinterpret_cast<const char*>(raw.data()), raw.size()}, name));

  auto state = std::make_shared<State>();
  state->name = name;
  state->metadata = std::move(header.metadata);
  BITMAR_TRY(state->tensors, locate(std::move(header.entries), reader));
  for (std::size_t index = 0; index < state->tensors.size(); ++index) {
    state->tensor_index.emplace(state->tensors[index].name, index);
  }
  SafeTensorsFile file;
  file.state_ = std::move(state);
  return file;
}

const std::string& SafeTensorsFile::name() const {
  return state_->name;
}
const std::map<std::string, std::string, std::less<>>& SafeTensorsFile::metadata() const {
  return state_->metadata;
}
const std::vector<SafeTensor>& SafeTensorsFile::tensors() const {
  return state_->tensors;
}

Result<const SafeTensor*> SafeTensorsFile::tensor(std::string_view tensor_name) const {
  const auto found = state_->tensor_index.find(tensor_name);
  if (found == state_->tensor_index.end()) {
    return fail(ErrorCode::kNotFound, "{}: tensor '{}' is missing", name(), tensor_name);
  }
  return &state_->tensors[found->second];
}

Result<std::vector<float>> SafeTensorsFile::floats(std::string_view tensor_name, std::uint64_t expected) const {
  BITMAR_TRY(const SafeTensor* found, tensor(tensor_name));
  if (!is_float_type(found->type)) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' is {}; expected F16, BF16, F32 or F64", name(), tensor_name,
                data_type_name(found->type));
  }
  const std::uint64_t elements = found->bytes.size() / data_type_size(found->type);
  if (elements != expected) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has {} elements; expected {}", name(), tensor_name, elements,
                expected);
  }
  std::vector<float> values(static_cast<std::size_t>(elements));
  convert_to_float(found->type, found->bytes, values);
  return values;
}

}  // namespace bitmar
