#include "kernels/kernels.h"

#include <array>
#include <cstdlib>
#include <string>

#include "kernels/isa_tables.h"

namespace bitmar {
namespace {

struct Registry {
  std::array<const Kernels*, 9> tables{};
  std::size_t count = 0;

  Registry() {
    // Of one processor, slowest first.
    for (const Kernels* table : {scalar_table(), avx2_table(), avxvnni_table(), avx512vnni_256_table(), avx512_table(),
                                 neon_table(), neon_dotprod_table(), neon_i8mm_table(), wasm_table()}) {
      if (table != nullptr) tables[count++] = table;
    }
  }
};

std::string available_names() {
  std::string names;
  for (const Kernels* table : available_kernels()) {
    if (!names.empty()) names += ", ";
    names += table->name;
  }
  return names;
}

}  // namespace

const Kernels& scalar_kernels() {
  return *scalar_table();
}

std::span<const Kernels* const> available_kernels() {
  static const Registry registry;
  return std::span(registry.tables).first(registry.count);
}

Result<const Kernels*> select_kernels(std::string_view isa) {
  const auto available = available_kernels();
  const Kernels* chosen = isa.empty() ? available.back() : nullptr;
  for (const Kernels* table : available) {
    if (isa == table->name) chosen = table;
  }
  if (chosen == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "instruction set '{}' is unknown or not available on this processor; available: {}", isa,
                available_names());
  }
  BITMAR_TRY_VOID(self_test(*chosen));
  return chosen;
}

Result<const Kernels*> default_kernels() {
  const char* isa = std::getenv("BITMAR_ISA");
  auto kernels = select_kernels(isa == nullptr ? "" : isa);
  if (!kernels && isa != nullptr) {
    return fail(kernels.error().code, "BITMAR_ISA: {}", kernels.error().message);
  }
  return kernels;
}

}  // namespace bitmar
