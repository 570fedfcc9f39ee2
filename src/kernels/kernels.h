// Which instruction set the kernels use. Every table gives the same bits; scalar always runs.
//
//   BITMAR_TRY(const Kernels* kernels, default_kernels());          // the best here, or what BITMAR_ISA names
//   const TernaryLinear head(*kernels, codes, rows, columns, scale);
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "kernels/kernel_table.h"

namespace bitmar {

using Kernels = KernelTable;

// The reference: portable, present in every build.
[[nodiscard]] const Kernels& scalar_kernels();

// The tables that this processor can run, slowest first; the first is scalar.
[[nodiscard]] std::span<const Kernels* const> available_kernels();

// The table named `isa`, or the fastest available one where `isa` is empty, after self_test has passed. An unknown or
// unavailable name is an error that lists the available ones.
[[nodiscard]] Result<const Kernels*> select_kernels(std::string_view isa);

// select_kernels with the value of the environment variable BITMAR_ISA (unset or empty: the best).
[[nodiscard]] Result<const Kernels*> default_kernels();

// Compares a table with scalar on a few small tiles and pieces, bit for bit; an error on any difference, so
// that a broken build or processor never produces wrong text.
[[nodiscard]] Result<void> self_test(const Kernels& kernels);

}  // namespace bitmar
