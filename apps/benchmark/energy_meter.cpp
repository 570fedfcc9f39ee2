#include "apps/benchmark/energy_meter.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace bitmar {
namespace {

Result<std::uint64_t> read_counter(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (!(file >> value)) return fail(ErrorCode::kIo, "{} cannot be read (root may)", path.string());
  return value;
}

// intel-rapl:0 is a package; intel-rapl:0:1 is a part of it, which its package counts already.
bool is_package(const std::string& name) {
  return name.starts_with("intel-rapl:") && std::ranges::count(name, ':') == 1;
}

}  // namespace

Result<EnergyMeter> EnergyMeter::open(const std::string& folder) {
  EnergyMeter meter;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!is_package(entry.path().filename().string())) continue;
    Package package{(entry.path() / "energy_uj").string()};
    BITMAR_TRY(package.range, read_counter(entry.path() / "max_energy_range_uj"));
    BITMAR_TRY(package.last, read_counter(package.path));
    meter.packages_.push_back(std::move(package));
  }
  if (meter.packages_.empty()) {
    return fail(ErrorCode::kUnsupported, "this machine shows no RAPL counters in {}", folder);
  }
  return meter;
}

Result<double> EnergyMeter::lap() {
  std::uint64_t microjoules = 0;
  for (Package& package : packages_) {
    BITMAR_TRY(const std::uint64_t now, read_counter(package.path));
    microjoules += now >= package.last ? now - package.last : now + (package.range - package.last);
    package.last = now;
  }
  return static_cast<double>(microjoules) * 1e-6;
}

}  // namespace bitmar
