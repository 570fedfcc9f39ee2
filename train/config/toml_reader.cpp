#include "config/toml_reader.h"

#include <cmath>

#include <toml++/toml.h>

#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {

struct TomlDocument::State {
  std::string name;
  toml::table root;
  std::optional<Error> error;         // the first
  std::set<const toml::node*> known;  // nodes that some reader asked for

  // "file:line" of what was read; overrides have no line, and a base is another file. A node's place, not its key's:
  // the key stays where its value is replaced.
  [[nodiscard]] std::string where(const toml::source_region& source) const {
    if (source.begin.line == 0) return name;
    return fmt::format("{}:{}", source.path ? *source.path : name, source.begin.line);
  }
  void report(const toml::source_region& source, std::string_view path, std::string_view message) {
    if (error) return;
    error = Error{ErrorCode::kInvalidArgument, fmt::format("{}: key '{}': {}", where(source), path, message)};
  }
};

struct TomlReader::Node {
  const toml::table* table = nullptr;  // null where the document does not have it
  std::string path;                    // "data.train.0"

  [[nodiscard]] std::string path_of(std::string_view key) const {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }
};

namespace {

constexpr int kMostBases = 8;

// Every key below `table` that no reader asked for is one too many; reports the first in the file.
struct Unknown {
  toml::source_region source;
  std::string path;
};

void find_unknown(const toml::table& table, const std::string& path, const std::set<const toml::node*>& known,
                  std::optional<Unknown>& first);

void find_unknown_in(const toml::node& node, const std::string& path, const std::set<const toml::node*>& known,
                     std::optional<Unknown>& first) {
  if (const toml::table* table = node.as_table()) {
    find_unknown(*table, path, known, first);
  } else if (const toml::array* array = node.as_array()) {
    std::size_t index = 0;
    for (const toml::node& entry : *array) find_unknown_in(entry, fmt::format("{}.{}", path, index++), known, first);
  }
}

void find_unknown(const toml::table& table, const std::string& path, const std::set<const toml::node*>& known,
                  std::optional<Unknown>& first) {
  for (const auto& [key, node] : table) {
    const std::string here = path.empty() ? std::string(key.str()) : fmt::format("{}.{}", path, key.str());
    if (known.contains(&node)) {
      find_unknown_in(node, here, known, first);
      continue;
    }
    const toml::source_region& source = node.source();
    if (!first || source.begin.line < first->source.begin.line) first = Unknown{source, here};
  }
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t dot = path.find('.');
    parts.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

std::optional<std::size_t> parse_index(const std::string& part) {
  std::size_t index = 0;
  const auto [end, status] = std::from_chars(part.data(), part.data() + part.size(), index);
  if (status != std::errc() || end != part.data() + part.size()) return std::nullopt;
  return index;
}

// The node named `part` in `parent`, and where it was read; null, and `source` as it is, where there is none.
const toml::node* child(const toml::node& parent, const std::string& part, toml::source_region& source) {
  if (const toml::table* table = parent.as_table()) {
    const auto found = table->find(part);
    if (found == table->end()) return nullptr;
    source = found->second.source();
    return &found->second;
  }
  const toml::array* array = parent.as_array();
  const auto index = parse_index(part);
  if (array == nullptr || !index || *index >= array->size()) return nullptr;
  const toml::node& entry = (*array)[*index];
  source = entry.source();
  return &entry;
}

// The table or array entry named `part` in `parent`; tables are made where they are missing.
toml::node* descend(toml::node& parent, const std::string& part) {
  if (toml::table* table = parent.as_table()) {
    if (!table->contains(part)) table->insert(part, toml::table{});
    return table->get(part);
  }
  if (toml::array* array = parent.as_array()) {
    if (const auto index = parse_index(part)) return array->get(*index);
  }
  return nullptr;
}

Result<void> apply_override(toml::table& root, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return fail(ErrorCode::kInvalidArgument, "--set {}: expected key=value", text);
  }
  const std::vector<std::string> parts = split_path(strip(std::string_view(text).substr(0, equals)));
  const std::string value(strip(std::string_view(text).substr(equals + 1)));
  toml::node* node = &root;
  for (std::size_t i = 0; i + 1 < parts.size() && node != nullptr; ++i) node = descend(*node, parts[i]);
  toml::table* table = node == nullptr ? nullptr : node->as_table();
  if (table == nullptr || parts.back().empty()) {
    return fail(ErrorCode::kInvalidArgument, "--set {}: no such table", text);
  }
  try {
    const toml::table parsed = toml::parse("value = " + value);
    table->insert_or_assign(parts.back(), *parsed.get("value"));
  } catch (const toml::parse_error&) {
    table->insert_or_assign(parts.back(), value);  // a bare word
  }
  return {};
}

// What `above` says goes into `below`: tables key by key, anything else as a whole. Nodes move, since copies of them
// forget where they were read.
void lay_over(toml::table& below, toml::table&& above) {
  for (auto&& [key, node] : above) {
    toml::table* const table = below.contains(key) ? below.get(key)->as_table() : nullptr;
    if (table != nullptr && node.is_table()) {
      lay_over(*table, std::move(*node.as_table()));
    } else {
      node.visit([&](auto& value) { below.insert_or_assign(key, std::move(value)); });
    }
  }
}

Result<toml::table> parse_with_bases(std::string_view text, const std::string& name, int most_bases) {
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalidArgument, "{}:{}: {}", name, error.source().begin.line, error.description());
  }
  const auto base = table.get("base") == nullptr ? nullptr : table.get("base")->as_string();
  if (base == nullptr) return table;  // of another type: unknown, as any key that nobody reads
  if (most_bases == 0) return fail(ErrorCode::kInvalidArgument, "{}: bases of bases go on for ever", name);
  const std::string path = (std::filesystem::path(name).parent_path() / base->get()).string();
  const auto file = MappedFile::open(path);
  if (!file) return fail(file.error().code, "{}: key 'base': {}", name, file.error().message);
  BITMAR_TRY(toml::table below, parse_with_bases(as_text(file->bytes()), path, most_bases - 1));
  table.erase("base");
  lay_over(below, std::move(table));
  return below;
}

}  // namespace

Result<TomlDocument> TomlDocument::load(const std::string& path, const std::vector<std::string>& overrides) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  return parse(as_text(file.bytes()), path, overrides);
}

Result<TomlDocument> TomlDocument::parse(std::string_view text, const std::string& name,
                                         const std::vector<std::string>& overrides) {
  auto state = std::make_shared<State>();
  state->name = name;
  BITMAR_TRY(state->root, parse_with_bases(text, name, kMostBases));
  for (const std::string& override : overrides) BITMAR_TRY_VOID(apply_override(state->root, override));
  return TomlDocument(std::move(state));
}

TomlReader TomlDocument::root() const {
  return {state_, std::make_shared<const TomlReader::Node>(TomlReader::Node{&state_->root, {}})};
}

Result<void> TomlDocument::finish(const std::vector<std::string>& ignored) const {
  if (state_->error) return std::unexpected(*state_->error);
  std::set<const toml::node*> known = state_->known;
  std::optional<Unknown> first;
  for (const auto& [key, node] : state_->root) {
    if (std::ranges::find(ignored, key.str()) != ignored.end()) continue;
    if (known.contains(&node)) {
      find_unknown_in(node, std::string(key.str()), known, first);
    } else if (const auto& source = node.source(); !first || source.begin.line < first->source.begin.line) {
      first = Unknown{source, std::string(key.str())};
    }
  }
  if (!first) return {};
  return fail(ErrorCode::kInvalidArgument, "{}: key '{}' is unknown", state_->where(first->source), first->path);
}

std::string TomlDocument::text() const {
  std::ostringstream out;
  out << state_->root << '\n';
  return out.str();
}

bool TomlReader::present() const {
  return node_->table != nullptr;
}

bool TomlReader::contains(std::string_view key) const {
  return present() && node_->table->contains(key);
}

bool TomlReader::failed() const {
  return document_->error.has_value();
}

void TomlReader::fail_at(std::string_view key, std::string_view message) {
  toml::source_region source;
  if (present()) {
    source = node_->table->source();
    const toml::node* node = node_->table;
    for (const std::string& part : split_path(key)) {
      node = child(*node, part, source);
      if (node == nullptr) break;
    }
  }
  document_->report(source, node_->path_of(key), message);
}

void TomlReader::read_not_negative(std::string_view key, double& value) {
  read(key, value);
  if (!(value >= 0) || !std::isfinite(value)) fail_at(key, "expected a number >= 0");
}

void TomlReader::require(std::string_view key) {
  if (!contains(key)) fail_at(key, "is missing");
}

namespace {

// The node of `key`, noted as known; null where it is absent.
const toml::node* look_up(TomlDocument::State& document, const toml::table* table, std::string_view key) {
  const toml::node* node = table == nullptr ? nullptr : table->get(key);
  if (node != nullptr) document.known.insert(node);
  return node;
}

}  // namespace

void TomlReader::read(std::string_view key, bool& value) {
  const toml::node* node = look_up(*document_, node_->table, key);
  if (node == nullptr) return;
  if (const auto* typed = node->as_boolean()) {
    value = typed->get();
  } else {
    fail_at(key, "expected true or false");
  }
}

void TomlReader::read(std::string_view key, std::uint64_t& value) {
  const toml::node* node = look_up(*document_, node_->table, key);
  if (node == nullptr) return;
  const auto* typed = node->as_integer();
  if (typed != nullptr && typed->get() >= 0) {
    value = static_cast<std::uint64_t>(typed->get());
  } else {
    fail_at(key, "expected a whole number that is not negative");
  }
}

void TomlReader::read(std::string_view key, std::uint32_t& value) {
  std::uint64_t wide = value;
  read(key, wide);
  if (wide > std::numeric_limits<std::uint32_t>::max()) {
    fail_at(key, "expected a number below 2^32");
  } else {
    value = static_cast<std::uint32_t>(wide);
  }
}

void TomlReader::read(std::string_view key, double& value) {
  const toml::node* node = look_up(*document_, node_->table, key);
  if (node == nullptr) return;
  if (const auto* real = node->as_floating_point()) {
    value = real->get();
  } else if (const auto* whole = node->as_integer()) {
    value = static_cast<double>(whole->get());
  } else {
    fail_at(key, "expected a number");
  }
}

void TomlReader::read(std::string_view key, float& value) {
  if (!contains(key)) return;
  double wide = 0;
  read(key, wide);
  value = static_cast<float>(wide);
}

void TomlReader::read(std::string_view key, std::string& value) {
  const toml::node* node = look_up(*document_, node_->table, key);
  if (node == nullptr) return;
  if (const auto* typed = node->as_string()) {
    value = typed->get();
  } else {
    fail_at(key, "expected a string");
  }
}

void TomlReader::read(std::string_view key, std::vector<std::string>& value) {
  const toml::node* node = look_up(*document_, node_->table, key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  std::vector<std::string> words;
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const auto* word = array->get(i)->as_string();
    if (word == nullptr) {
      array = nullptr;
      break;
    }
    words.push_back(word->get());
  }
  if (array == nullptr) return fail_at(key, "expected an array of strings");
  value = std::move(words);
}

TomlReader TomlReader::table(std::string_view key) {
  const toml::node* node = look_up(*document_, node_->table, key);
  const toml::table* table = node == nullptr ? nullptr : node->as_table();
  if (node != nullptr && table == nullptr) fail_at(key, "expected a table");
  return {document_, std::make_shared<const Node>(Node{table, node_->path_of(key)})};
}

std::vector<TomlReader> TomlReader::tables(std::string_view key) {
  const toml::node* node = look_up(*document_, node_->table, key);
  std::vector<TomlReader> readers;
  if (node == nullptr) return readers;
  const toml::array* array = node->as_array();
  if (array == nullptr || !array->is_homogeneous(toml::node_type::table)) {
    if (array == nullptr || !array->empty()) fail_at(key, "expected tables, [[…]]");
    return readers;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string path = fmt::format("{}.{}", node_->path_of(key), i);
    readers.push_back({document_, std::make_shared<const Node>(Node{array->get(i)->as_table(), path})});
  }
  return readers;
}

}  // namespace bitmar
