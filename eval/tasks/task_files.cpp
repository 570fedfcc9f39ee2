#include "eval/tasks/task_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "io/content_hash.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace fs = std::filesystem;
namespace {

std::vector<std::string_view> split_layouts(std::string_view files) {
  std::vector<std::string_view> layouts;
  for (;;) {
    const std::size_t end = files.find('|');
    layouts.push_back(files.substr(0, end));
    if (end == std::string_view::npos) return layouts;
    files.remove_prefix(end + 1);
  }
}

}  // namespace

Result<std::string> find_task_files(const std::string& data, std::string_view files) {
  if (data.empty()) return fail(ErrorCode::kNotFound, "no folder of data is given");
  std::error_code ignored;
  std::string names;
  for (const fs::path& folder : {fs::path(data), fs::path(data) / "eval"}) {
    for (const std::string_view layout : split_layouts(files)) {
      if (const fs::path path = folder / layout; fs::exists(path, ignored)) return path.string();
    }
  }
  for (const std::string_view layout : split_layouts(files)) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", layout);
  }
  return fail(ErrorCode::kNotFound, "{}: has no {}", data, names);
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
