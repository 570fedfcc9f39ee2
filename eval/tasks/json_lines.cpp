#include "eval/tasks/json_lines.h"

#include <charconv>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {

std::unexpected<Error> JsonRecord::error(std::string_view field, std::string_view what) const {
  return fail(ErrorCode::kInvalidFile, "{}:{}: field '{}' {}", path_, line_, field, what);
}

Result<const nlohmann::json*> JsonRecord::find(const char* field) const {
  const auto found = object_.find(field);
  if (found == object_.end()) return error(field, "is missing");
  return &*found;
}

Result<std::string> JsonRecord::text(const char* field) const {
  BITMAR_TRY(const auto* value, find(field));
  if (!value->is_string()) return error(field, "must be a string");
  return value->get<std::string>();
}

Result<double> JsonRecord::number(const char* field) const {
  BITMAR_TRY(const auto* value, find(field));
  if (!value->is_number()) return error(field, "must be a number");
  return value->get<double>();
}

Result<std::size_t> JsonRecord::index(const char* field, std::size_t limit) const {
  BITMAR_TRY(const auto* value, find(field));
  std::size_t index = limit;
  if (value->is_boolean()) {
    index = value->get<bool>() ? 1 : 0;
  } else if (value->is_number_unsigned()) {
    index = value->get<std::size_t>();
  } else if (value->is_string()) {
    const std::string& digits = value->get_ref<const std::string&>();
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (status != std::errc() || end != digits.data() + digits.size()) index = limit;
  }
  if (index >= limit) return error(field, fmt::format("must be a number from 0 to {}", limit - 1));
  return index;
}

Result<std::vector<std::string>> JsonRecord::texts(const char* field, std::size_t least) const {
  BITMAR_TRY(const auto* value, find(field));
  std::vector<std::string> texts;
  bool strings = value->is_array();
  for (std::size_t i = 0; strings && i < value->size(); ++i) {
    strings = (*value)[i].is_string();
    if (strings) texts.push_back((*value)[i].get<std::string>());
  }
  if (!strings || texts.size() < least)
    return error(field, fmt::format("must be an array of {} or more strings", least));
  return texts;
}

Result<JsonRecord> JsonRecord::object(const char* field) const {
  BITMAR_TRY(const auto* value, find(field));
  if (!value->is_object()) return error(field, "must be an object");
  return JsonRecord(*value, path_, line_);
}

Result<void> read_json_lines(const std::string& path, const std::function<Result<void>(const JsonRecord&)>& visit) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  return parse_json_lines(as_text(file.bytes()), path, visit);
}

Result<void> parse_json_lines(std::string_view text, const std::string& path,
                              const std::function<Result<void>(const JsonRecord&)>& visit) {
  Lines lines(text);
  std::string_view line;
  bool empty = true;
  while (lines.next(line)) {
    if (strip(line).empty()) continue;
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) {
      return fail(ErrorCode::kInvalidFile, "{}:{}: expected a JSON object", path, lines.number());
    }
    BITMAR_TRY_VOID(visit(JsonRecord(object, path, lines.number())));
    empty = false;
  }
  if (empty) return fail(ErrorCode::kInvalidFile, "{}: has no lines", path);
  return {};
}

}  // namespace bitmar
