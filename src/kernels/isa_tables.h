// The registry's view of the instruction-set files. To add one: a file that defines its table function, a line here,
// a line in kernels.cpp. A table may start as a copy of a slower one that its processors also run.
#pragma once

#include "kernels/kernel_table.h"

namespace bitmar {

// Always runs.
const KernelTable* scalar_table();

// Null where this build or this processor cannot run it.
const KernelTable* avx2_table();
const KernelTable* avxvnni_table();
const KernelTable* avx512vnni_256_table();
const KernelTable* avx512_table();
const KernelTable* neon_table();
const KernelTable* neon_dotprod_table();
const KernelTable* neon_i8mm_table();
const KernelTable* wasm_table();

}  // namespace bitmar
