// A measurement in a process of its own, so that it starts from memory that nothing has touched.
//
//   BITMAR_TRY(const std::vector<double> times, measure_in_child([&] { return cold_start(path); }));
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"

namespace bitmar {

using Measurement = std::function<Result<std::vector<double>>()>;

// Forks, measures there, and returns the numbers or the error. Only this thread goes on in the child, so no other
// thread may run. A child that dies is kIo.
[[nodiscard]] Result<std::vector<double>> measure_in_child(const Measurement& measurement);

}  // namespace bitmar
