// The kernels' rates as one table of medians.
#pragma once

#include "bounds.h"

namespace bitmar::bench {

// To standard output. Each row of the table takes `seconds`, or as long as two runs of its product.
void print_summary(const Bounds& bounds, double seconds);

}  // namespace bitmar::bench
