// Energy that the processor packages used, by Intel's and AMD's RAPL counters as Linux shows them.
//
//   BITMAR_TRY(EnergyMeter meter, EnergyMeter::open());     // or the reason why there is none
//   BITMAR_TRY(const double joules, meter.lap());           // since open() or the last lap()
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace bitmar {

class EnergyMeter {
 public:
  // kUnsupported: the machine has no such counter. kIo: it may not be read.
  static Result<EnergyMeter> open(const std::string& folder = "/sys/class/powercap");

  // Joules of all packages since open() or the last call. A counter that wrapped around once is understood.
  Result<double> lap();

 private:
  struct Package {
    std::string path;         // of energy_uj
    std::uint64_t range = 0;  // the largest value, in microjoules; then it starts from 0
    std::uint64_t last = 0;
  };
  std::vector<Package> packages_;
};

}  // namespace bitmar
