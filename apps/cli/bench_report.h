// A benchmark's report as JSON and as a table.
#pragma once

#include <nlohmann/json.hpp>

#include "apps/benchmark/report.h"

namespace bitmar::cli {

[[nodiscard]] nlohmann::ordered_json report_json(const BenchmarkReport& report);

// To standard output.
void print_table(const BenchmarkReport& report);

}  // namespace bitmar::cli
