#include "eval/tasks/csv_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

// The records of a text, one at a time.
class Records {
 public:
  explicit Records(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::uint64_t line() const { return line_; }

  // The fields of the next record; nullopt: a quote does not end.
  std::optional<std::vector<std::string>> next() {
    std::vector<std::string> fields(1);
    bool quoted = false;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      line_ += c == '\n';
      if (c == '"' && quoted && rest_.starts_with('"')) {
        fields.back() += c;
        rest_.remove_prefix(1);
      } else if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        fields.emplace_back();
      } else if (c == '\n' && !quoted) {
        return fields;
      } else if (c != '\r' || quoted || !rest_.starts_with('\n')) {
        fields.back() += c;
      }
    }
    if (quoted) return std::nullopt;
    return fields;
  }

 private:
  std::string_view rest_;
  std::uint64_t line_ = 1;
};

}  // namespace

Result<CsvTable> CsvTable::read(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  CsvTable table;
  table.path_ = path;
  Records records(as_text(file.bytes()));
  while (!records.at_end()) {
    const std::uint64_t line = records.line();
    auto record = records.next();
    if (!record) return fail(ErrorCode::kInvalidFile, "{}:{}: a quote does not end", path, line);
    if (record->size() == 1 && record->front().empty()) continue;
    if (table.header_.empty()) {
      table.header_ = *std::move(record);
      continue;
    }
    if (record->size() != table.header_.size()) {
      return fail(ErrorCode::kInvalidFile, "{}:{}: has {} fields; expected {}, as the header", path, line,
                  record->size(), table.header_.size());
    }
    for (std::string& field : *record) table.fields_.push_back(std::move(field));
    table.lines_.push_back(line);
  }
  if (table.lines_.empty()) return fail(ErrorCode::kInvalidFile, "{}: has no rows below a header", path);
  return table;
}

bool CsvTable::has(std::string_view column) const {
  return std::ranges::find(header_, column) != header_.end();
}

Result<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::ranges::find(header_, name);
  if (found == header_.end()) return fail(ErrorCode::kInvalidFile, "{}: has no column '{}'", path_, name);
  return static_cast<std::size_t>(found - header_.begin());
}

Result<std::optional<double>> CsvTable::number(std::size_t row, std::size_t column) const {
  const std::string& field = text(row, column);
  if (field.empty()) return std::nullopt;
  double value = 0;
  const auto [end, status] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (status != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) {
    return fail(ErrorCode::kInvalidFile, "{}:{}: column '{}' must be a number or empty, not '{}'", path_, lines_[row],
                header_[column], field);
  }
  return value;
}

}  // namespace bitmar
