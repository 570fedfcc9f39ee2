#include "io/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

namespace bitmar {
namespace {

constexpr std::size_t kMaximumDimensions = 32;
constexpr const char* kMetadataKey = "__metadata__";

std::optional<DataType> data_type_from_name(std::string_view name) {
  for (int index = 0; index <= static_cast<int>(DataType::kF64); ++index) {
    const auto type = static_cast<DataType>(index);
    if (data_type_name(type) == name) return type;
  }
  return std::nullopt;
}

// The states of the header's grammar: { "<name>": {"dtype": s, "shape": [n…], "data_offsets": [n, n]}, … }.
class Handler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Handler(const std::string& name) : name_(name) {}

  SafeTensorsHeader header;
  [[nodiscard]] Error take_error() && { return std::move(error_); }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kTop;
        return true;
      case Place::kTopValue:
        place_ = key_ == kMetadataKey ? Place::kMetadata : Place::kTensor;
        if (place_ == Place::kTensor) header.entries.emplace_back().name = key_;
        has_type_ = has_shape_ = has_offsets_ = false;
        return true;
      default:
        return unexpected("an object");
    }
  }

  bool key(string_t& text) override {
    key_ = text;
    switch (place_) {
      case Place::kTop:
        place_ = Place::kTopValue;
        if (!names_.insert(key_).second) return refuse("the header names '{}' twice", key_);
        return true;
      case Place::kMetadata:
        place_ = Place::kMetadataValue;
        if (header.metadata.contains(key_)) return refuse("__metadata__ has the key '{}' twice", key_);
        return true;
      default:
        break;
    }
    if (key_ == "dtype") return enter(Place::kType, has_type_);
    if (key_ == "shape") return enter(Place::kShape, has_shape_);
    if (key_ == "data_offsets") return enter(Place::kOffsets, has_offsets_);
    return refuse("tensor '{}' has the unknown key '{}'", header.entries.back().name, key_);
  }

  bool string(string_t& text) override {
    if (place_ == Place::kMetadataValue) {
      header.metadata.emplace(key_, text);
      place_ = Place::kMetadata;
      return true;
    }
    if (place_ != Place::kType) return unexpected("a string");
    const auto type = data_type_from_name(text);
    if (!type) {
      error_.code = ErrorCode::kUnsupported;
      return refuse("tensor '{}' has the unsupported dtype '{}'", header.entries.back().name, text);
    }
    header.entries.back().type = *type;
    place_ = Place::kTensor;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) return unexpected("an array");
    place_ = place_ == Place::kShape ? Place::kInShape : Place::kInOffsets;
    offsets_seen_ = 0;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kInShape && place_ != Place::kInOffsets) return unexpected("a number");
    auto& entry = header.entries.back();
    if (place_ == Place::kInShape) {
      if (entry.shape.size() == kMaximumDimensions) {
        return refuse("tensor '{}' has more than {} dimensions", entry.name, kMaximumDimensions);
      }
      entry.shape.push_back(value);
      return true;
    }
    if (offsets_seen_ == 2) return refuse("tensor '{}' has more than two data_offsets", entry.name);
    (offsets_seen_++ == 0 ? entry.begin : entry.end) = value;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kInOffsets && offsets_seen_ != 2) {
      return refuse("tensor '{}' needs two data_offsets", header.entries.back().name);
    }
    place_ = Place::kTensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor && !(has_type_ && has_shape_ && has_offsets_)) {
      return refuse("tensor '{}' needs dtype, shape and data_offsets", header.entries.back().name);
    }
    place_ = Place::kTop;
    return true;
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("the header is not valid JSON at its byte {}", position);
  }

 private:
  enum class Place {
    kStart,
    kTop,
    kTopValue,
    kMetadata,
    kMetadataValue,
    kTensor,
    kType,
    kShape,
    kInShape,
    kOffsets,
    kInOffsets
  };

  template <typename... Arguments>
  bool refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    error_.message = fmt::format("{}: {}", name_, fmt::format(format, std::forward<Arguments>(arguments)...));
    return false;
  }
  bool unexpected(std::string_view what) { return refuse("the header has {} at or under '{}'", what, key_); }
  bool enter(Place place, bool& seen) {
    if (std::exchange(seen, true)) return refuse("tensor '{}' has {} twice", header.entries.back().name, key_);
    place_ = place;
    return true;
  }

  const std::string& name_;
  Error error_{ErrorCode::kInvalidFile, {}};
  Place place_ = Place::kStart;
  std::string key_;
  std::set<std::string, std::less<>> names_;
  bool has_type_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  int offsets_seen_ = 0;
};

}  // namespace

Result<SafeTensorsHeader> parse_safetensors_header(std::string_view json, const std::string& name) {
  Handler handler(name);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) {
    return std::unexpected(std::move(handler).take_error());
  }
  return std::move(handler.header);
}

}  // namespace bitmar
