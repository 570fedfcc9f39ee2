#include "kernels/kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/isa_tables.h"
#include "kernels/linear.h"

namespace bitmar {
namespace {

struct Registry {
  std::array<const Kernels*, 7> tables{};
  std::size_t count = 0;

  Registry() {
    // Of one processor, slowest first.
    for (const Kernels* table : {scalar_table(), avx2_table(), avx512_table(), neon_table(), neon_dotprod_table(),
                                 neon_i8mm_table(), wasm_table()}) {
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

// Bit for bit, so that a difference in the sign of zero counts too.
bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

std::int8_t random_code(Random& random, int limit) {
  return static_cast<std::int8_t>(static_cast<int>(random.below(static_cast<std::uint64_t>(2 * limit + 1))) - limit);
}

struct LinearResults {
  std::vector<float> ternary;  // [tokens, rows]
  std::vector<float> int8;     // [tokens, rows]
};

// One tile shape through both integer kernels. Unit scales make every output the int32 sum itself: below 2^24 in size,
// so exact in a float.
LinearResults run_tile(const Kernels& kernels, std::size_t rows, std::size_t columns, std::size_t tokens) {
  Random random(rows * 1000003 + columns * 101 + tokens);
  std::vector<std::int8_t> ternary(rows * columns);
  std::vector<std::int8_t> int8(rows * columns);
  std::vector<float> x(tokens * columns);
  for (auto& code : ternary) code = random_code(random, 1);
  for (auto& code : int8) code = random_code(random, 127);
  for (auto& value : x) value = static_cast<float>(random_code(random, 127));
  for (std::size_t t = 0; t < tokens; ++t) x[t * columns] = 127.0f;  // the maximum: every scale is 1

  QuantizedActivations quantized;
  quantize_activations(kernels, {x, tokens, columns}, quantized);
  const std::vector<float> ones(rows, 1.0f);
  LinearResults results{std::vector<float>(tokens * rows), std::vector<float>(tokens * rows)};
  TernaryLinear(kernels, ternary, rows, columns, 1.0f).apply(quantized, {results.ternary, tokens, rows}, nullptr);
  Int8Linear(kernels, int8, rows, columns, ones).apply(quantized, {results.int8, tokens, rows}, nullptr);
  return results;
}

}  // namespace

const Kernels& scalar_kernels() {
  return *scalar_table();
}

std::span<const Kernels* const> available_kernels() {
  static const Registry registry;
  return std::span(registry.tables).first(registry.count);
}

Result<void> self_test(const Kernels& kernels) {
  struct Shape {
    std::size_t rows, columns, tokens;
  };
  for (const auto& [rows, columns, tokens] : {Shape{33, 129, 1}, Shape{97, 37, 7}, Shape{8, 520, 2}}) {
    const LinearResults actual = run_tile(kernels, rows, columns, tokens);
    const LinearResults expected = run_tile(scalar_kernels(), rows, columns, tokens);
    if (!same_bits(actual.ternary, expected.ternary) || !same_bits(actual.int8, expected.int8)) {
      return fail(ErrorCode::kUnsupported,
                  "the {} kernels differ from the scalar ones on a {}x{} matrix: this build or processor is faulty "
                  "(BITMAR_ISA=scalar avoids them)",
                  kernels.name, rows, columns);
    }
  }
  return {};
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
