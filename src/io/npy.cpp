#include "io/npy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/float16.h"
#include "io/byte_reader.h"
#include "io/file_descriptor.h"
#include "io/npy_header.h"

namespace bitmar {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

// The bytes of the whole array, or nothing where they overflow.
std::optional<std::uint64_t> data_size(const NpyHeader& header) {
  const auto elements = checked_product(header.shape);
  return elements ? checked_multiply<std::uint64_t>(*elements, data_type_size(header.type)) : std::nullopt;
}

}  // namespace

Result<NpyFile> NpyFile::open(const std::string& path) {
  BITMAR_TRY(MappedFile mapping, MappedFile::open(path));
  BITMAR_TRY(NpyFile file, parse(mapping.bytes(), path));
  file.mapping_ = std::make_shared<const MappedFile>(std::move(mapping));
  return file;
}

Result<NpyFile> NpyFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  BITMAR_TRY(const auto magic, reader.take(kMagic.size(), "the magic number"));
  if (!std::ranges::equal(magic, std::as_bytes(std::span(kMagic)))) {
    return fail(ErrorCode::kInvalidFile, "{}: not a .npy file (it does not begin with '\\x93NUMPY')", name);
  }
  BITMAR_TRY(const auto major, reader.read<std::uint8_t>("the version"));
  BITMAR_TRY(const auto minor, reader.read<std::uint8_t>("the version"));
  if ((major != 1 && major != 2) || minor != 0) {
    return fail(ErrorCode::kUnsupported, "{}: .npy version {}.{}; expected 1.0 or 2.0", name, major, minor);
  }
  std::uint32_t length = 0;
  if (major == 1) {
    BITMAR_TRY(length, reader.read<std::uint16_t>("the header length"));
  } else {
    BITMAR_TRY(length, reader.read<std::uint32_t>("the header length"));
  }
  BITMAR_TRY(const auto text, reader.take(length, "the header"));
  BITMAR_TRY(NpyHeader header, parse_npy_header({reinterpret_cast<const char*>(text.data()), text.size()}, name));

  const auto size = data_size(header);
  if (!size || *size != reader.remaining()) {
    return fail(ErrorCode::kInvalidFile, "{}: {} bytes of data follow the header, which does not fit its shape and {}",
                name, reader.remaining(), data_type_name(header.type));
  }
  NpyFile file;
  BITMAR_TRY(file.data_, reader.take(*size, "the data"));
  file.name_ = name;
  file.type_ = header.type;
  file.shape_ = std::move(header.shape);
  return file;
}

std::uint64_t NpyFile::elements() const {
  return data_.size() / data_type_size(type_);
}

Result<void> NpyFile::read_row(std::uint64_t index, std::span<float> out) const {
  if (!is_float_type(type_)) {
    return fail(ErrorCode::kInvalidFile, "{}: the array is {}; expected F16, F32 or F64", name_, data_type_name(type_));
  }
  if (shape_.empty() || index >= shape_.front()) {
    return fail(ErrorCode::kOutOfRange, "{}: row {} of {}", name_, index, shape_.empty() ? 0 : shape_.front());
  }
  const std::uint64_t row_bytes = data_.size() / shape_.front();
  if (out.size() * data_type_size(type_) != row_bytes) {
    return fail(ErrorCode::kInvalidArgument, "{}: a row has {} values; expected {}", name_,
                row_bytes / data_type_size(type_), out.size());
  }
  convert_to_float(
      type_, data_.subspan(static_cast<std::size_t>(index * row_bytes), static_cast<std::size_t>(row_bytes)), out);
  return {};
}

struct NpyWriter::State {
  std::string path;
  FileDescriptor file;
  NpyHeader header;
  std::uint64_t data_start = 0;
  std::uint64_t row_values = 0;
  std::vector<std::uint16_t> halves;  // one converted row
};

NpyWriter::NpyWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
NpyWriter::NpyWriter(NpyWriter&&) noexcept = default;
NpyWriter& NpyWriter::operator=(NpyWriter&&) noexcept = default;
NpyWriter::~NpyWriter() = default;

Result<NpyWriter> NpyWriter::create(const std::string& path, DataType type, std::vector<std::uint64_t> shape,
                                    bool resume) {
  if (type != DataType::kF16 && type != DataType::kF32) {
    return fail(ErrorCode::kInvalidArgument, "{}: cannot write {} rows; expected F16 or F32", path,
                data_type_name(type));
  }
  auto state = std::make_unique<State>();
  state->path = path;
  state->header = {type, std::move(shape)};
  const auto size = data_size(state->header);
  if (state->header.shape.empty() || !size || *size > std::numeric_limits<std::int64_t>::max() / 2) {
    return fail(ErrorCode::kInvalidArgument, "{}: the shape is empty or too large", path);
  }
  const std::uint64_t rows = state->header.shape.front();
  state->row_values = rows == 0 ? 0 : *size / data_type_size(type) / rows;

  struct stat status {};
  if (resume && ::stat(path.c_str(), &status) == 0) {
    BITMAR_TRY(const MappedFile mapped, MappedFile::open(path));
    BITMAR_TRY(const NpyFile existing, NpyFile::parse(mapped.bytes(), path));
    if (existing.type() != type || existing.shape() != state->header.shape) {
      return fail(ErrorCode::kInvalidFile, "{}: cannot resume: the file has another type or shape", path);
    }
    state->data_start = mapped.bytes().size() - *size;
    state->file = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!state->file) return fail_io(path, "open for writing", errno);
    return NpyWriter(std::move(state));
  }

  // Under another name until header and size are right: a killed run leaves a file that can be resumed, or none.
  const std::string text = format_npy_header(state->header);
  const std::string temporary = path + ".tmp";
  state->data_start = text.size();
  state->file = FileDescriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!state->file) return fail_io(path, "create", errno);
  BITMAR_TRY_VOID(write_at(state->file, path, std::as_bytes(std::span(text)), 0));
  if (::ftruncate(state->file.get(), static_cast<off_t>(text.size() + *size)) != 0) {
    return fail_io(path, "set its size", errno);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_io(path, "create", errno);
  return NpyWriter(std::move(state));
}

Result<void> NpyWriter::write_row(std::uint64_t index, std::span<const float> values) {
  if (index >= state_->header.shape.front() || values.size() != state_->row_values) {
    return fail(ErrorCode::kInvalidArgument, "{}: row {} with {} values; expected a row below {} with {} values",
                state_->path, index, values.size(), state_->header.shape.front(), state_->row_values);
  }
  auto bytes = std::as_bytes(values);
  if (state_->header.type == DataType::kF16) {
    state_->halves.resize(values.size());
    std::ranges::transform(values, state_->halves.begin(), float_to_half);
    bytes = std::as_bytes(std::span(state_->halves));
  }
  return write_at(state_->file, state_->path, bytes, state_->data_start + index * bytes.size());
}

Result<void> NpyWriter::flush() {
  if (::fsync(state_->file.get()) != 0) return fail_io(state_->path, "flush it to the disk", errno);
  return {};
}

}  // namespace bitmar
