// Where a task's files lie below --data, or below its folder `eval`. `files` lists the layouts in which they are
// published, "first|second|…"; the first that is there is taken. A layout "mmlu/test.jsonl+dev.jsonl" is there where
// dev.jsonl stands beside test.jsonl, and "gram-trog+manifest.csv" where the folder holds that file.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

// The file or folder before the '+'. kNotFound names the file that is missing where one has the others, else all of
// them.
[[nodiscard]] Result<std::string> find_task_files(const std::string& data, std::string_view files);
[[nodiscard]] bool has_task_files(const std::string& data, std::string_view files);

// For people: "mmlu/test.jsonl with dev.jsonl, …".
[[nodiscard]] std::string describe_task_files(std::string_view files);

// The folder's *.jsonl, sorted by name. kNotFound: it has none.
[[nodiscard]] Result<std::vector<std::string>> list_json_lines(const std::string& folder);

// One SHA-256 over names and contents.
[[nodiscard]] Result<std::string> hash_files(std::span<const std::string> paths);

}  // namespace bitmar
