#include "eval/tasks/task_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "io/content_hash.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace fs = std::filesystem;
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<std::string> find_task_files(const std::string& data, std::string_view files) {
  if (data.empty()) return fail(ErrorCode::kNotFound, "no folder of data is given");
  std::error_code ignored;
  std::string incomplete;
  for (const fs::path& folder : {fs::path(data), fs::path(data) / "eval"}) {
    for (const std::string_view layout : split(files, '|')) {
      const auto parts = split(layout, '+');
      const fs::path path = folder / parts.front();
      if (!fs::exists(path, ignored)) continue;
      const fs::path beside = fs::is_directory(path, ignored) ? path : path.parent_path();
      const auto missing = std::find_if(parts.begin() + 1, parts.end(),
                                        [&](std::string_view name) { return !fs::exists(beside / name, ignored); });
      if (missing == parts.end()) return path.string();
      if (incomplete.empty()) incomplete = fmt::format("{}: has no {}", beside.string(), *missing);
    }
  }
  if (!incomplete.empty()) return fail(ErrorCode::kNotFound, "{}", incomplete);
  return fail(ErrorCode::kNotFound, "{}: has no {}", data, describe_task_files(files));
}

std::string describe_task_files(std::string_view files) {
  std::string description;
  for (const std::string_view layout : split(files, '|')) {
    const auto parts = split(layout, '+');
    description += fmt::format("{}{}", description.empty() ? "" : ", ", parts.front());
    for (std::size_t i = 1; i < parts.size(); ++i)
      description += fmt::format("{} {}", i == 1 ? " with" : ",", parts[i]);
  }
  return description;
}

bool has_task_files(const std::string& data, std::string_view files) {
  return find_task_files(data, files).has_value();
}

Result<std::vector<std::string>> list_json_lines(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code status;
  for (fs::directory_iterator entry(folder, status); !status && entry != fs::directory_iterator();
       entry.increment(status)) {
    if (entry->path().extension() == ".jsonl") paths.push_back(entry->path().string());
  }
  if (status) return fail(ErrorCode::kIo, "{}: cannot list it: {}", folder, status.message());
  if (paths.empty()) return fail(ErrorCode::kNotFound, "{}: has no .jsonl file", folder);
  std::ranges::sort(paths);
  return paths;
}

Result<std::string> hash_files(std::span<const std::string> paths) {
  std::string hashes;
  for (const std::string& path : paths) {
    BITMAR_TRY(const MappedFile file, MappedFile::open(path));
    hashes += fmt::format("{} {}\n", content_hash(file.bytes()), fs::path(path).filename().string());
  }
  return content_hash(std::as_bytes(std::span(hashes)));
}

}  // namespace bitmar
