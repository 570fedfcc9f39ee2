// A training run as one page of HTML that needs nothing besides itself: no network, no script.
//
//   write_text_file("report.html", report_page({.title = "bitmar-14m", .lead = …, .figures = …}));
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/report/figure.h"
#include "eval/report/settings_table.h"
#include "eval/report/training_log.h"

namespace bitmar::report {

struct ReportTable {
  std::string title;
  std::vector<TableRow> rows = {};
  bool open = true;  // false: folded up
};

// A photo that the report is about: a picture file's bytes with their type.
struct ReportPhoto {
  std::string media_type;  // "image/jpeg"
  std::string bytes;
  std::string description;
};

struct ReportPage {
  std::string title;
  std::string lead;  // one sentence below it
  std::vector<Figure> figures = {};
  std::optional<ReportPhoto> photo = {};  // stands beside the last figure
  std::vector<ReportTable> tables = {};
  std::vector<std::string> missing = {};  // figures for which the log has no values
};

[[nodiscard]] std::string report_page(const ReportPage& page);

// The media type by the first bytes of a JPEG, PNG or WebP file; empty: none of them.
[[nodiscard]] std::string picture_type(std::string_view bytes);

// Tables of every stage's settings and of all scalars' last values, the many of single matrices and parts folded up.
[[nodiscard]] Result<std::vector<ReportTable>> report_tables(const TrainingLog& log);

}  // namespace bitmar::report
