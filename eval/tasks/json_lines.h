// Reads the benchmarks' JSON Lines files. Whatever is not as their format says becomes one error that names file, line
// and field.
//
//   BITMAR_TRY_VOID(read_json_lines(path, [&](const JsonRecord& record) -> Result<void> {
//     BITMAR_TRY(const std::string question, record.text("question"));
//     …
//   }));
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

class JsonRecord {
 public:
  // `object` is one, at `path`:`line`; both outlive this.
  JsonRecord(const nlohmann::json& object, const std::string& path, std::uint64_t line)
      : object_(object), path_(path), line_(line) {}

  [[nodiscard]] bool has(const char* field) const { return object_.contains(field); }
  // Of type object.
  [[nodiscard]] const nlohmann::json& json() const { return object_; }
  // "path:line: field 'x' <what>".
  [[nodiscard]] std::unexpected<Error> error(std::string_view field, std::string_view what) const;

  [[nodiscard]] Result<std::string> text(const char* field) const;
  [[nodiscard]] Result<double> number(const char* field) const;
  // A number, or text or a truth value that stands for one ("3", true), below `limit`.
  [[nodiscard]] Result<std::size_t> index(const char* field, std::size_t limit) const;
  // An array of at least `least` strings.
  [[nodiscard]] Result<std::vector<std::string>> texts(const char* field, std::size_t least) const;
  // An object; its fields' errors name them alone.
  [[nodiscard]] Result<JsonRecord> object(const char* field) const;

 private:
  [[nodiscard]] Result<const nlohmann::json*> find(const char* field) const;

  const nlohmann::json& object_;
  const std::string& path_;
  std::uint64_t line_;
};

// Calls `visit` for every line that is not blank; stops at its first error. kInvalidFile: a line that is no JSON
// object, or a file without any.
[[nodiscard]] Result<void> read_json_lines(const std::string& path,
                                           const std::function<Result<void>(const JsonRecord&)>& visit);
// The same for a text that was read from `path`.
[[nodiscard]] Result<void> parse_json_lines(std::string_view text, const std::string& path,
                                            const std::function<Result<void>(const JsonRecord&)>& visit);

}  // namespace bitmar
