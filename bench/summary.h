// The kernels' rates as one table of medians.
#pragma once

#include "bounds.h"

namespace bitmar::bench {

// To standard output. Each row of the table takes `seconds`, and as long as three runs of its product at least.
void print_summary(const Bounds& bounds, double seconds);

}  // namespace bitmar::bench
