// A run's configuration (TOML) as rows of a table.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bitmar::report {

struct TableRow {
  std::string name;
  std::string value;
};

// One row a key, "train.steps"; one a table of an array, "data.train: photos", with its other keys as the value. In the
// file's order. `name` stands in errors.
[[nodiscard]] Result<std::vector<TableRow>> settings_rows(std::string_view toml, const std::string& name);

}  // namespace bitmar::report
