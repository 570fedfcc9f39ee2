#include "log/event_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "image/encode.h"
#include "io/lines.h"
#include "io/mapped_file.h"
#include "log/crc32c.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using protobuf::Message;

constexpr std::string_view kPrefix = "events.out.tfevents.";
constexpr std::string_view kSuffix = ".bitmar";

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto, tensor.proto.
namespace event {
constexpr std::uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5;
}
namespace value {
constexpr std::uint32_t kTag = 1, kSimpleValue = 2, kImage = 4, kHistogram = 5, kTensor = 8, kMetadata = 9;
}

std::string little_endian(std::uint64_t number, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xFF);
  return bytes;
}

std::uint64_t from_little_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return number;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Our event files in `directory`, oldest first.
std::vector<fs::path> event_files(const std::string& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// How many leading bytes of a record file are whole records of steps up to `last`.
std::uint64_t length_up_to(std::string_view bytes, std::uint64_t last) {
  std::uint64_t kept = 0;
  for (;;) {
    const std::string_view rest = bytes.substr(kept);
    if (rest.size() < 12 || from_little_endian(rest.substr(8, 4)) != masked_crc32c(rest.substr(0, 8))) return kept;
    const std::uint64_t length = from_little_endian(rest.substr(0, 8));
    if (length > rest.size() - 12 || rest.size() - 12 - length < 4) return kept;
    const std::string_view data = rest.substr(12, length);
    if (from_little_endian(rest.substr(12 + length, 4)) != masked_crc32c(data)) return kept;
    const auto step = protobuf::find_number(data, event::kStep);
    if (!step || *step > last) return kept;
    kept += 16 + length;
  }
}

}  // namespace

Result<EventWriter> EventWriter::open(const std::string& directory, std::optional<std::uint64_t> resume_step) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail(ErrorCode::kIo, "{}: cannot create the folder: {}", directory, error.message());
  std::vector<fs::path> files = event_files(directory);
  std::string path = fmt::format("{}/{}{}{}", directory, kPrefix, static_cast<std::uint64_t>(now()), kSuffix);
  std::uint64_t length = 0;
  if (resume_step && !files.empty()) {
    path = files.back().string();
    {
      BITMAR_TRY(const MappedFile file, MappedFile::open(path));
      length = length_up_to(as_text(file.bytes()), *resume_step);
    }
    fs::resize_file(path, length, error);
    if (error) return fail(ErrorCode::kIo, "{}: cannot cut it back: {}", path, error.message());
  } else {
    for (const fs::path& file : files) fs::remove(file, error);
  }
  std::FILE* const file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) return fail(ErrorCode::kIo, "{}: cannot write: {}", path, std::strerror(errno));
  EventWriter writer(path, file);
  if (length == 0) {
    BITMAR_TRY_VOID(writer.write_record(
        Message().real(event::kWallTime, now()).bytes(event::kFileVersion, "brain.Event:2").text()));
  }
  return writer;
}

Result<void> EventWriter::scalar(std::string_view tag, double number, std::uint64_t step) {
  return write_value(step, Message().bytes(value::kTag, tag).single(value::kSimpleValue, static_cast<float>(number)));
}

Result<void> EventWriter::histogram(std::string_view tag, std::span<const float> values, std::uint64_t step) {
  constexpr std::size_t kBins = 30;
  double low = INFINITY;
  double high = -INFINITY;
  double count = 0;
  double sum = 0;
  double squares = 0;
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    const double wide = static_cast<double>(x);
    low = std::min(low, wide);
    high = std::max(high, wide);
    count += 1;
    sum += wide;
    squares += wide * wide;
  }
  if (count == 0) return {};
  const double width = high > low ? (high - low) / kBins : 1.0;
  std::vector<double> limits(kBins);
  std::vector<double> counts(kBins, 0.0);
  for (std::size_t bin = 0; bin < kBins; ++bin) limits[bin] = low + width * static_cast<double>(bin + 1);
  for (const float x : values) {
    if (!std::isfinite(x)) continue;
    const auto bin = static_cast<std::size_t>((static_cast<double>(x) - low) / width);
    counts[std::min(bin, kBins - 1)] += 1;
  }
  const Message histogram = Message()
                                .real(1, low)
                                .real(2, high)
                                .real(3, count)
                                .real(4, sum)
                                .real(5, squares)
                                .packed(6, limits)
                                .packed(7, counts);
  return write_value(step, Message().bytes(value::kTag, tag).message(value::kHistogram, histogram));
}

Result<void> EventWriter::image(std::string_view tag, std::span<const std::uint8_t> pixels, std::uint32_t height,
                                std::uint32_t width, std::uint32_t channels, std::uint64_t step) {
  if ((channels != 1 && channels != 3) || height == 0 || width == 0 ||
      pixels.size() != std::size_t{height} * width * channels) {
    return fail(ErrorCode::kInvalidArgument, "logged image '{}': {} bytes for {}x{}x{}", tag, pixels.size(), height,
                width, channels);
  }
  BITMAR_TRY(const std::string png, encode_png(pixels, height, width, channels));
  const Message image = Message().number(1, height).number(2, width).number(3, channels).bytes(4, png);
  return write_value(step, Message().bytes(value::kTag, tag).message(value::kImage, image));
}

Result<void> EventWriter::text(std::string_view tag, std::string_view markdown, std::uint64_t step) {
  constexpr std::uint64_t kStringType = 7;  // DT_STRING
  const Message shape = Message().message(2, Message().number(1, 1));
  const Message tensor = Message().number(1, kStringType).message(2, shape).bytes(8, markdown);
  const Message metadata = Message().message(1, Message().bytes(1, "text"));
  return write_value(
      step, Message().bytes(value::kTag, tag).message(value::kMetadata, metadata).message(value::kTensor, tensor));
}

Result<void> EventWriter::flush() {
  if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) {
    return fail(ErrorCode::kIo, "{}: cannot write: {}", path_, std::strerror(errno));
  }
  return {};
}

Result<void> EventWriter::write_value(std::uint64_t step, const Message& summary_value) {
  return write_record(Message()
                          .real(event::kWallTime, now())
                          .number(event::kStep, step)
                          .message(event::kSummary, Message().message(1, summary_value))
                          .text());
}

Result<void> EventWriter::write_record(std::string_view bytes) {
  const std::string length = little_endian(bytes.size(), 8);
  std::string record = length + little_endian(masked_crc32c(length), 4);
  record += bytes;
  record += little_endian(masked_crc32c(bytes), 4);
  if (std::fwrite(record.data(), 1, record.size(), file_.get()) != record.size()) {
    return fail(ErrorCode::kIo, "{}: cannot write: {}", path_, std::strerror(errno));
  }
  return {};
}

}  // namespace bitmar
