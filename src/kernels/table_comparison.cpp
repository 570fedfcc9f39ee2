// The comparison of a table with the scalar one that every program makes once: a few small products, an attention, the
// pieces of a layer, the sums over a vocabulary.
#include <algorithm>
#include <cstdint>
#include <numbers>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "kernels/linear.h"
#include "kernels/ops.h"

namespace bitmar {
namespace {

// Bit for bit, so that a difference in the sign of zero counts too.
bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(std::as_bytes(a), std::as_bytes(b));
}

bool same_bits(std::span<const double> a, std::span<const double> b) {
  return std::ranges::equal(std::as_bytes(a), std::as_bytes(b));
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

// Attention over 37 rows of random codes, then the pieces that an FFN is made of: each step takes what the one before
// gave.
std::vector<float> run_pieces(const Kernels& kernels) {
  constexpr std::size_t kWidth = 32;
  constexpr std::size_t kRows = 48;
  Random random(7);
  AlignedBuffer<std::int8_t> codes(2 * kRows * kWidth);
  for (auto& code : codes.span()) code = random_code(random, 127);
  for (auto& key : codes.span().first(kRows * kWidth)) key = static_cast<std::int8_t>(key ^ kernels.key_flip);
  std::vector<float> scales(kRows);
  for (float& scale : scales) scale = 0.001f * static_cast<float>(1 + random.below(20));
  std::vector<std::int8_t> query(kWidth);
  for (auto& code : query) code = random_code(random, 127);
  const AttentionRange range{query.data(),
                             0.01f,
                             codes.data(),
                             scales.data(),
                             codes.data() + kRows * kWidth,
                             scales.data(),
                             scales.data(),
                             3,
                             40};
  AlignedBuffer<float> scratch(kRows);
  std::vector<float> row(kWidth);
  attend(kernels, {&range, 1}, scratch.span(), row);
  layer_norm(kernels, {row, 1, kWidth}, std::span(scales).first(kWidth), {}, 1e-5f, {row, 1, kWidth});
  gelu(kernels, row, row);
  std::vector<float> results = row;
  softmax(kernels, row);
  results.insert(results.end(), row.begin(), row.end());
  return results;
}

struct VocabularyResults {
  std::vector<float> maxima;        // [kMaximaColumns]
  std::vector<float> exponentials;  // [logits]
  std::vector<double> sums;
};

// What sampling, beam search and scoring take of a row of logits, whose number is no multiple of any table's lanes.
VocabularyResults run_vocabulary(const Kernels& kernels) {
  constexpr std::size_t kRows = 5;
  constexpr std::size_t kLogits = 171;
  constexpr float kLargest = 8.0f;
  Random random(11);
  std::vector<float> logits(kLogits);
  for (float& logit : logits) logit = kLargest - 0.1f * static_cast<float>(random.below(200));
  VocabularyResults results{std::vector<float>(kMaximaColumns), std::vector<float>(kLogits), std::vector<double>(4)};
  column_maxima(kernels, std::span(logits).first(kRows * kMaximaColumns), results.maxima);
  kernels.rough_exponentials(logits.data(), kLogits, kLargest, kLog2E * 0x1p23f, results.exponentials.data());
  const float pivot = logits[3];
  double* sums = results.sums.data();
  kernels.rough_exponential_sums(logits.data(), kLogits, kLargest, kLog2E * 0x1p23f, pivot, sums, sums + 1);
  kernels.exponential_sums(logits.data(), kLogits, double{kLargest}, std::numbers::log2e, pivot, sums + 2, sums + 3);
  return results;
}

}  // namespace

Result<void> self_test(const Kernels& kernels) {
  const auto faulty = [&](std::string_view where) {
    return fail(ErrorCode::kUnsupported,
                "the {} kernels differ from the scalar ones {}: this build or processor is faulty (BITMAR_ISA=scalar "
                "avoids them)",
                kernels.name, where);
  };
  struct Shape {
    std::size_t rows, columns, tokens;
  };
  for (const auto& [rows, columns, tokens] : {Shape{33, 129, 1}, Shape{97, 37, 7}, Shape{8, 520, 2}}) {
    const LinearResults actual = run_tile(kernels, rows, columns, tokens);
    const LinearResults expected = run_tile(scalar_kernels(), rows, columns, tokens);
    if (!same_bits(actual.ternary, expected.ternary) || !same_bits(actual.int8, expected.int8)) {
      return faulty(fmt::format("on a {}x{} matrix", rows, columns));
    }
  }
  if (!same_bits(run_pieces(kernels), run_pieces(scalar_kernels()))) return faulty("in attention or a layer's pieces");
  const VocabularyResults actual = run_vocabulary(kernels);
  const VocabularyResults expected = run_vocabulary(scalar_kernels());
  if (!same_bits(actual.maxima, expected.maxima) || !same_bits(actual.exponentials, expected.exponentials) ||
      !same_bits(actual.sums, expected.sums)) {
    return faulty("in maxima or sums over a vocabulary");
  }
  return {};
}

}  // namespace bitmar
