// A CSV file (RFC 4180) with a header line, held as text. Errors name file, line and column.
//
//   BITMAR_TRY(const CsvTable table, CsvTable::read("manifest.csv"));
//   BITMAR_TRY(const std::size_t word, table.column("word"));
//   for (std::size_t row = 0; row < table.rows(); ++row) use(table.text(row, word));
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

class CsvTable {
 public:
  // kInvalidFile: no header, no row, a row of another number of fields, or a quote that does not end.
  static Result<CsvTable> read(const std::string& path);

  [[nodiscard]] std::size_t rows() const { return lines_.size(); }
  [[nodiscard]] bool has(std::string_view column) const;
  // The index of a column. kInvalidFile: there is none of that name.
  [[nodiscard]] Result<std::size_t> column(std::string_view name) const;
  [[nodiscard]] const std::string& text(std::size_t row, std::size_t column) const {
    return fields_[row * header_.size() + column];
  }
  // nullopt: the field is empty. kInvalidFile: it is no number.
  [[nodiscard]] Result<std::optional<double>> number(std::size_t row, std::size_t column) const;

 private:
  std::string path_;
  std::vector<std::string> header_;
  std::vector<std::string> fields_;   // [rows, columns]
  std::vector<std::uint64_t> lines_;  // [rows]: where each begins
};

}  // namespace bitmar
