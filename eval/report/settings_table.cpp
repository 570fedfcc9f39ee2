#include "eval/report/settings_table.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <sstream>

namespace bitmar::report {
namespace {

std::string value_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* array = node.as_array()) {
    std::string list;
    for (const auto& item : *array) list += fmt::format("{}{}", list.empty() ? "" : ", ", value_text(item));
    return list;
  }
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  return text.str();
}

// toml++ sorts keys by name; the reader knows them in the order of the file.
std::vector<std::pair<std::string, const toml::node*>> in_order(const toml::table& table) {
  std::vector<std::pair<std::string, const toml::node*>> entries;
  for (const auto& [key, node] : table) entries.emplace_back(std::string(key.str()), &node);
  std::ranges::stable_sort(entries, {}, [](const auto& entry) {
    const toml::source_position begin = entry.second->source().begin;
    return std::pair(begin.line, begin.column);
  });
  return entries;
}

std::string inline_text(const toml::table& table, std::string_view left_out) {
  std::string text;
  for (const auto& [key, node] : in_order(table)) {
    if (key == left_out) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", key, value_text(*node));
  }
  return text;
}

void add_rows(const toml::table& table, const std::string& prefix, std::vector<TableRow>& rows) {
  for (const auto& [key, node] : in_order(table)) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (const auto* inner = node->as_table()) {
      add_rows(*inner, name, rows);
    } else if (const auto* array = node->as_array(); array != nullptr && array->is_array_of_tables()) {
      for (const auto& item : *array) {
        const toml::table& entry = *item.as_table();
        const std::string title = entry["name"].value_or(std::string());
        rows.push_back({title.empty() ? name : name + ": " + title, inline_text(entry, title.empty() ? "" : "name")});
      }
    } else {
      rows.push_back({name, value_text(*node)});
    }
  }
}

}  // namespace

Result<std::vector<TableRow>> settings_rows(std::string_view toml, const std::string& name) {
  try {
    const toml::table table = toml::parse(toml);
    std::vector<TableRow> rows;
    add_rows(table, "", rows);
    return rows;
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalidFile, "{}:{}: {}", name, error.source().begin.line, error.description());
  }
}

}  // namespace bitmar::report
