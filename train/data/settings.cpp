#include "data/settings.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

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

// A stream in errors: by its place among the settings ("train.0") and by its name ("data.train 'photos'").
struct Place {
  std::string path;
  std::string name;
};

template <typename... Arguments>
std::unexpected<KeyError> fail_in(const Place& place, const char* key, fmt::format_string<Arguments...> format,
                                  Arguments&&... arguments) {
  return fail_key(ErrorCode::kInvalidArgument, fmt::format("{}.{}", place.path, key), "{}.{}{}", place.name, key,
                  fmt::format(format, std::forward<Arguments>(arguments)...));
}

Validity check_range(std::uint32_t value, std::uint32_t maximum, const Place& place, const char* key) {
  if (value >= 1 && value <= maximum) return {};
  return fail_in(place, key, " is {}, expected 1 to {}", value, maximum);
}

Validity check_stream(const StreamSettings& stream, const Place& place, const std::vector<SourceSettings>& sources) {
  if (stream.sources.empty()) return fail_in(place, "sources", " is empty");
  std::set<SourceKind> kinds;
  for (const std::string& name : stream.sources) {
    const auto source = std::ranges::find(sources, name, &SourceSettings::name);
    if (source == sources.end()) return fail_in(place, "sources", ": no [[data.source]] is named '{}'", name);
    kinds.insert(source->kind);
  }
  if (kinds.size() > 1) return fail_in(place, "sources", " mixes captions and text; make two streams of it");
  if (!stream.features.empty() && kinds.contains(SourceKind::kText)) {
    return fail_in(place, "features", ": a text stream has no photos");
  }
  if (!std::isfinite(stream.weight) || stream.weight <= 0) {
    return fail_in(place, "weight", " is {}, expected more than 0", stream.weight);
  }
  if (!std::isfinite(stream.contrast) || stream.contrast < 0) {
    return fail_in(place, "contrast", " is {}, expected 0 or more", stream.contrast);
  }
  if (stream.samples > 0) {
    if (stream.features.empty()) {
      return fail_in(place, "samples", ": a stream without features has no photos to caption");
    }
    // The others of a photo are a caption's baseline.
    if (stream.samples == 1 || stream.samples > kMaximumSamples) {
      return fail_in(place, "samples", " is {}, expected 0 or 2 to {}", stream.samples, kMaximumSamples);
    }
  }
  BITMAR_TRY_VOID(check_range(stream.rows, kMaximumRows, place, "rows"));
  BITMAR_TRY_VOID(check_range(stream.segments, kMaximumSegments, place, "segments"));
  return check_range(stream.length, kMaximumLength, place, "length");
}

Place place_of(const char* table, std::size_t index, const StreamSettings& stream) {
  return {fmt::format("{}.{}", table, index), fmt::format("data.{} '{}'", table, stream.name)};
}

Validity check_streams(const std::vector<StreamSettings>& streams, const char* table,
                       const std::vector<SourceSettings>& sources) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const StreamSettings& stream = streams[i];
    if (stream.name.empty() || !names.insert(stream.name).second) {
      return fail_key(ErrorCode::kInvalidArgument, fmt::format("{}.{}.name", table, i),
                      "data.{}.name is '{}', expected a name of its own", table, stream.name);
    }
    BITMAR_TRY_VOID(check_stream(stream, place_of(table, i, stream), sources));
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

Validity DataSettings::validate() const {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const SourceSettings& source = sources[i];
    if (!is_plain_name(source.name) || !names.insert(source.name).second) {
      return fail_key(ErrorCode::kInvalidArgument, fmt::format("source.{}.name", i),
                      "data.source.name is '{}', expected a name of its own of letters, digits, '.', '_' and '-'",
                      source.name);
    }
    if (source.path.empty()) {
      return fail_key(ErrorCode::kInvalidArgument, fmt::format("source.{}.path", i), "data.source '{}'.path is empty",
                      source.name);
    }
  }
  if (bucket_batches == 0) {
    return fail_key(ErrorCode::kInvalidArgument, "bucket_batches", "data.bucket_batches is 0, expected at least 1");
  }
  BITMAR_TRY_VOID(check_streams(train, "train", sources));
  for (std::size_t i = 0; i < validation.size(); ++i) {
    if (validation[i].samples > 0) {
      return fail_in(place_of("validation", i, validation[i]), "samples", ": only training draws captions");
    }
    if (validation[i].contrast != StreamSettings{}.contrast) {
      return fail_in(place_of("validation", i, validation[i]), "contrast", ": only training has a contrastive loss");
    }
  }
  return check_streams(validation, "validation", sources);
}

}  // namespace bitmar
