#include "io/caption_readers.h"

#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "io/easy_vqa.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using nlohmann::json;

// Collects captions under their images, in order of first appearance.
class Groups {
 public:
  void add(std::string_view image, std::string_view caption) {
    const auto [found, inserted] = index_.try_emplace(std::string(image), groups_.size());
    if (inserted) groups_.push_back({std::string(image), {}});
    groups_[found->second].captions.emplace_back(caption);
  }
  [[nodiscard]] std::vector<CaptionGroup> take() { return std::move(groups_); }

 private:
  std::vector<CaptionGroup> groups_;
  std::unordered_map<std::string, std::size_t> index_;
};

// One record of a line format.
struct Record {
  std::string image;
  std::string caption;
};

// Parsers say what was expected; the caller adds file and line.
using Parsed = std::expected<Record, std::string>;

std::vector<std::string_view> split_tabs(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t tab = line.find('\t');
    fields.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Parsed parse_flickr_token(std::string_view line) {
  const auto fields = split_tabs(line);
  if (fields.size() != 2) return std::unexpected(fmt::format("{} tab-separated fields, expected 2", fields.size()));
  const std::size_t mark = fields[0].rfind('#');
  if (mark == std::string_view::npos || mark == 0 || !is_number(fields[0].substr(mark + 1))) {
    return std::unexpected("the first field must be 'name#number'");
  }
  return Record{std::string(fields[0].substr(0, mark)), std::string(fields[1])};
}

Parsed parse_tsv(std::string_view line) {
  const auto fields = split_tabs(line);
  if (fields.size() != 3) return std::unexpected(fmt::format("{} tab-separated fields, expected 3", fields.size()));
  if (!is_number(fields[1])) return std::unexpected("the second field must be the caption's number");
  return Record{std::string(fields[0]), std::string(fields[2])};
}

Parsed parse_conceptual_captions(std::string_view line) {
  const auto fields = split_tabs(line);
  if (fields.size() != 2) return std::unexpected(fmt::format("{} tab-separated fields, expected 2", fields.size()));
  return Record{std::string(strip(fields[1])), std::string(fields[0])};
}

// The string under `key`; ids may be numbers in some releases.
std::expected<std::string, std::string> text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::unexpected(fmt::format("key '{}' is missing", key));
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_integer()) return found->dump();
  return std::unexpected(fmt::format("key '{}' must be a string", key));
}

Parsed parse_json_record(std::string_view line, const char* image_key, std::string_view image_default) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::unexpected("not a JSON object");
  auto caption = text_of(object, "caption");
  if (!caption) return std::unexpected(caption.error());
  if (!image_default.empty() && !object.contains(image_key)) return Record{std::string(image_default), *caption};
  auto image = text_of(object, image_key);
  if (!image) return std::unexpected(image.error());
  return Record{*std::move(image), *std::move(caption)};
}

Parsed parse_line(std::string_view line, CaptionFormat format, std::uint64_t number) {
  switch (format) {
    case CaptionFormat::kFlickrToken:
      return parse_flickr_token(line);
    case CaptionFormat::kTsv:
      return parse_tsv(line);
    case CaptionFormat::kConceptualCaptions:
      return parse_conceptual_captions(line);
    case CaptionFormat::kLocalizedNarratives:
      return parse_json_record(line, "image_id", {});
    case CaptionFormat::kJsonLines:
      return parse_json_record(line, "image", fmt::format("line-{}", number));
    case CaptionFormat::kCoco:
    case CaptionFormat::kEasyVqa:
      break;
  }
  return std::unexpected("not a line format");
}

Result<std::vector<CaptionGroup>> read_lines(std::string_view text, const std::string& path, CaptionFormat format) {
  Groups groups;
  Lines lines(text);
  std::string_view line;
  while (lines.next(line)) {
    if (strip(line).empty()) continue;
    auto record = parse_line(line, format, lines.number());
    if (!record) return fail(ErrorCode::kInvalidFile, "{}:{}: {}", path, lines.number(), record.error());
    if (record->image.empty() || record->image.find_first_of("\r\n") != std::string::npos) {
      return fail(ErrorCode::kInvalidFile, "{}:{}: the image's name must be one non-empty line", path, lines.number());
    }
    groups.add(record->image, record->caption);
  }
  return groups.take();
}

Result<std::vector<CaptionGroup>> read_coco(std::string_view text, const std::string& path) {
  const json root = json::parse(text, nullptr, false);
  if (root.is_discarded()) return fail(ErrorCode::kInvalidFile, "{}: not valid JSON", path);
  for (const char* key : {"images", "annotations"}) {
    if (!root.is_object() || !root.contains(key) || !root[key].is_array()) {
      return fail(ErrorCode::kInvalidFile, "{}: the array '{}' is missing", path, key);
    }
  }
  std::unordered_map<std::string, std::string> names;
  std::size_t number = 0;
  for (const json& image : root["images"]) {
    const auto id = image.is_object() ? text_of(image, "id") : std::unexpected(std::string("not an object"));
    const auto name = id ? text_of(image, "file_name") : id;
    if (!name) return fail(ErrorCode::kInvalidFile, "{}: images[{}]: {}", path, number, name.error());
    if (name->empty() || name->find_first_of("\r\n") != std::string::npos) {
      return fail(ErrorCode::kInvalidFile, "{}: images[{}]: 'file_name' must be one non-empty line", path, number);
    }
    names.insert_or_assign(*id, *name);
    ++number;
  }
  Groups groups;
  number = 0;
  for (const json& annotation : root["annotations"]) {
    const auto id =
        annotation.is_object() ? text_of(annotation, "image_id") : std::unexpected(std::string("not an object"));
    const auto caption = id ? text_of(annotation, "caption") : id;
    if (!caption) return fail(ErrorCode::kInvalidFile, "{}: annotations[{}]: {}", path, number, caption.error());
    const auto name = names.find(*id);
    if (name == names.end()) {
      return fail(ErrorCode::kInvalidFile, "{}: annotations[{}]: image_id {} is not among the images", path, number,
                  *id);
    }
    groups.add(name->second, *caption);
    ++number;
  }
  return groups.take();
}

Result<std::vector<CaptionGroup>> read_questions(const std::string& path) {
  BITMAR_TRY(const auto questions, read_easy_vqa_questions(path));
  Groups groups;
  for (const auto& [question, answer, picture] : questions) {
    groups.add(easy_vqa_picture(picture), easy_vqa_prompt(question) + " " + answer);
  }
  return groups.take();
}

}  // namespace

Result<CaptionFormat> parse_caption_format(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, CaptionFormat>, 7> kNames = {{
      {"flickr-token", CaptionFormat::kFlickrToken},
      {"tsv", CaptionFormat::kTsv},
      {"coco", CaptionFormat::kCoco},
      {"cc3m", CaptionFormat::kConceptualCaptions},
      {"localized-narratives", CaptionFormat::kLocalizedNarratives},
      {"jsonl", CaptionFormat::kJsonLines},
      {"easy-vqa", CaptionFormat::kEasyVqa},
  }};
  for (const auto& [known, format] : kNames) {
    if (known == name) return format;
  }
  return fail(ErrorCode::kInvalidArgument,
              "unknown caption format '{}', expected flickr-token, tsv, coco, cc3m, localized-narratives, jsonl or "
              "easy-vqa",
              name);
}

Result<std::vector<CaptionGroup>> read_captions(const std::string& path, CaptionFormat format) {
  if (format == CaptionFormat::kEasyVqa) return read_questions(path);
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text = as_text(file.bytes());
  if (format == CaptionFormat::kCoco) return read_coco(text, path);
  return read_lines(text, path, format);
}

Result<std::vector<std::string>> read_name_list(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  std::vector<std::string> names;
  Lines lines(as_text(file.bytes()));
  std::string_view line;
  while (lines.next(line)) {
    if (const std::string_view name = strip(line); !name.empty()) names.emplace_back(name);
  }
  return names;
}

}  // namespace bitmar
