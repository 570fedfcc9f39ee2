#include "data/settings.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

namespace bitmar {
namespace {

constexpr std::uint32_t kMaximumRows = 1u << 16;
constexpr std::uint32_t kMaximumSegments = 64;
constexpr std::uint32_t kMaximumSamples = 256;
constexpr std::uint32_t kMaximumLength = 1u << 16;

bool is_plain_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name != "." && name != ".." && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<void> check_range(std::uint32_t value, std::uint32_t maximum, const std::string& where, const char* key) {
  if (value >= 1 && value <= maximum) return {};
  return fail(ErrorCode::kInvalidArgument, "{}.{} is {}, expected 1 to {}", where, key, value, maximum);
}

Result<void> check_stream(const StreamSettings& stream, const std::string& where,
                          const std::vector<SourceSettings>& sources) {
  if (stream.sources.empty()) return fail(ErrorCode::kInvalidArgument, "{}.sources is empty", where);
  std::set<SourceKind> kinds;
  for (const std::string& name : stream.sources) {
    const auto source = std::ranges::find(sources, name, &SourceSettings::name);
    if (source == sources.end()) {
      return fail(ErrorCode::kInvalidArgument, "{}.sources: no [[data.source]] is named '{}'", where, name);
    }
    kinds.insert(source->kind);
  }
  if (kinds.size() > 1) {
    return fail(ErrorCode::kInvalidArgument, "{}.sources mixes captions and text; make two streams of it", where);
  }
  if (!stream.features.empty() && kinds.contains(SourceKind::kText)) {
    return fail(ErrorCode::kInvalidArgument, "{}.features: a text stream has no photos", where);
  }
  if (!std::isfinite(stream.weight) || stream.weight <= 0) {
    return fail(ErrorCode::kInvalidArgument, "{}.weight is {}, expected more than 0", where, stream.weight);
  }
  if (stream.samples > 0) {
    if (stream.features.empty()) {
      return fail(ErrorCode::kInvalidArgument, "{}.samples: a stream without features has no photos to caption", where);
    }
    // The others of a photo are a caption's baseline.
    if (stream.samples == 1 || stream.samples > kMaximumSamples) {
      return fail(ErrorCode::kInvalidArgument, "{}.samples is {}, expected 0 or 2 to {}", where, stream.samples,
                  kMaximumSamples);
    }
  }
  BITMAR_TRY_VOID(check_range(stream.rows, kMaximumRows, where, "rows"));
  BITMAR_TRY_VOID(check_range(stream.segments, kMaximumSegments, where, "segments"));
  return check_range(stream.length, kMaximumLength, where, "length");
}

Result<void> check_streams(const std::vector<StreamSettings>& streams, const char* table,
                           const std::vector<SourceSettings>& sources) {
  std::set<std::string_view> names;
  for (const StreamSettings& stream : streams) {
    if (stream.name.empty() || !names.insert(stream.name).second) {
      return fail(ErrorCode::kInvalidArgument, "{}.name is '{}', expected a name of its own", table, stream.name);
    }
    BITMAR_TRY_VOID(check_stream(stream, fmt::format("{} '{}'", table, stream.name), sources));
  }
  return {};
}

}  // namespace

Result<DocumentLayout> parse_document_layout(std::string_view name) {
  if (name == "file") return DocumentLayout::kFile;
  if (name == "blank-lines") return DocumentLayout::kBlankLines;
  if (name == "lines") return DocumentLayout::kLines;
  return fail(ErrorCode::kInvalidArgument, "unknown document layout '{}', expected file, blank-lines or lines", name);
}

Result<void> DataSettings::validate() const {
  std::set<std::string_view> names;
  for (const SourceSettings& source : sources) {
    if (!is_plain_name(source.name) || !names.insert(source.name).second) {
      return fail(ErrorCode::kInvalidArgument,
                  "data.source.name is '{}', expected a name of its own of letters, digits, '.', '_' and '-'",
                  source.name);
    }
    if (source.path.empty()) return fail(ErrorCode::kInvalidArgument, "data.source '{}'.path is empty", source.name);
  }
  if (bucket_batches == 0) return fail(ErrorCode::kInvalidArgument, "data.bucket_batches is 0, expected at least 1");
  BITMAR_TRY_VOID(check_streams(train, "data.train", sources));
  for (const StreamSettings& stream : validation) {
    if (stream.samples > 0) {
      return fail(ErrorCode::kInvalidArgument, "data.validation '{}'.samples: only training draws captions",
                  stream.name);
    }
  }
  return check_streams(validation, "data.validation", sources);
}

}  // namespace bitmar
