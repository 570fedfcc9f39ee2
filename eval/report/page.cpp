#include "eval/report/page.h"

#include <fmt/format.h>

#include <algorithm>

namespace bitmar::report {
namespace {

// Two figures beside each other where there is room; the text of a figure is then 14 CSS pixels high, on a phone 11.
constexpr std::string_view kStyle = R"(
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 12px; max-width: 1060px; background: #fff; color: #222;
  font: 16px/1.5 system-ui, 'DejaVu Sans', sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 26px; line-height: 1.2; margin: 8px 0; }
h2 { font-size: 19px; line-height: 1.3; margin: 0 0 6px; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 28px 32px; }
figure { margin: 0; min-width: 0; }
figure svg, figure img { display: block; width: 100%; height: auto; }
figure img { max-width: 224px; margin-bottom: 8px; }
figcaption { font-size: 14px; color: #444; margin-top: 4px; }
section { margin-top: 32px; min-width: 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
caption, summary { text-align: left; font-size: 19px; font-weight: 600; margin: 20px 0 6px; }
summary { cursor: pointer; }
th, td { text-align: left; vertical-align: top; padding: 3px 8px 3px 0; border-bottom: 1px solid #ddd; }
th { font-weight: 400; color: #444; width: 40%; }
@media print { main { grid-template-columns: 1fr 1fr; } figure { break-inside: avoid; } }
)";

std::string figure_markup(const Figure& figure, const std::optional<ReportPhoto>& photo) {
  std::string markup = fmt::format("<figure id=\"{}\">\n<h2>{}</h2>\n", escape(figure.id), escape(figure.title));
  if (photo) {
    markup += fmt::format("<img alt=\"{}\" src=\"data:{};base64,{}\">\n", escape(photo->description), photo->media_type,
                          base64(photo->bytes));
  }
  markup += inline_svg(figure.drawing, figure.id, figure.title, figure.description);
  if (!figure.caption.empty()) markup += fmt::format("<figcaption>{}</figcaption>\n", escape(figure.caption));
  return markup + "</figure>\n";
}

std::string table_markup(const ReportTable& table) {
  std::string rows;
  for (const TableRow& row : table.rows) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(row.name), escape(row.value));
  }
  const std::string title = escape(table.title);
  if (table.open) return fmt::format("<table>\n<caption>{}</caption>\n{}</table>\n", title, rows);
  return fmt::format("<details>\n<summary>{0}</summary>\n<table aria-label=\"{0}\">\n{1}</table>\n</details>\n", title,
                     rows);
}

// Of single matrices and parts: too many to read all.
bool is_detail(std::string_view tag) {
  return (tag.starts_with("zeros/") && tag != "zeros/overall") || tag.starts_with("scale/") ||
         tag.starts_with("gate/") || tag.starts_with("gradient_norm/");
}

}  // namespace

std::string picture_type(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (bytes.starts_with("\x89PNG")) return "image/png";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "image/webp";
  return {};
}

Result<std::vector<ReportTable>> report_tables(const TrainingLog& log) {
  std::vector<ReportTable> tables;
  ReportTable values{.title = "Last values"};
  ReportTable details{.title = "Last values of single matrices and parts", .open = false};
  for (const auto& [tag, points] : log.scalars) {
    const std::optional<Point> last = last_value(points);
    (is_detail(tag) ? details : values)
        .rows.push_back({tag, last ? fmt::format("{} (step {})", format_value(last->y), format_value(last->x))
                                   : std::string("never finite")});
  }
  for (ReportTable* table : {&values, &details}) {
    if (!table->rows.empty()) tables.push_back(std::move(*table));
  }
  for (const auto& [tag, events] : log.texts) {
    ReportTable* samples = !tables.empty() && tables.back().title == "Texts" ? &tables.back() : nullptr;
    if (samples == nullptr) samples = &tables.emplace_back(ReportTable{.title = "Texts"});
    samples->rows.push_back({tag, fmt::format("{} (step {})", events.back().text, format_value(events.back().step))});
  }
  for (const Stage& stage : log.stages) {
    if (stage.settings.empty()) continue;
    BITMAR_TRY(std::vector<TableRow> rows, settings_rows(stage.settings, stage.name + "/config.toml"));
    const std::string title = log.stages.size() == 1 ? "Settings" : "Settings of " + stage.name;
    tables.push_back({.title = title, .rows = std::move(rows), .open = log.stages.size() == 1});
  }
  return tables;
}

std::string report_page(const ReportPage& page) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>\n"
      "</head>\n<body>\n<h1>{0}</h1>\n<p>{2}</p>\n<main>\n",
      escape(page.title), kStyle, escape(page.lead));
  for (const Figure& figure : page.figures) {
    const bool last = &figure == &page.figures.back();
    html += figure_markup(figure, last ? page.photo : std::nullopt);
  }
  html += "</main>\n";
  if (!page.missing.empty()) {
    html += "<p>Not in this log:";
    for (const std::string& title : page.missing) {
      html += fmt::format("{} {}", &title == &page.missing.front() ? "" : ";", escape(title));
    }
    html += ".</p>\n";
  }
  html += "<section>\n";
  for (const ReportTable& table : page.tables) html += table_markup(table);
  return html + "</section>\n</body>\n</html>\n";
}

}  // namespace bitmar::report
