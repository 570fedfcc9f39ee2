// Rates of the kernels on the model's shapes, for every instruction set that runs here. Each matrix product also says
// which fraction it reaches of two bounds measured in the same run: the multiply unit that its instruction set uses
// (of_peak), and reading its weights once from the cache that holds them (of_reads).
//
//   kernels_bench --benchmark_filter=ternary/avx2
//   kernels_bench --summary                               one table of medians, under a minute
//   kernels_bench --summary=SECONDS                       so long for each row
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "bounds.h"
#include "kernels/linear.h"
#include "kernels/ops.h"
#include "products.h"
#include "summary.h"

namespace bitmar::bench {
namespace {

using benchmark::Counter;

constexpr Shape kHead{50257, 128, 1};

void run_product(benchmark::State& state, const Product& product, ThreadPool* pool) {
  for (auto _ : state) {
    product.run(pool);
    benchmark::ClobberMemory();
  }
  state.counters["MAC/s"] = Counter(product.macs(), Counter::kIsIterationInvariantRate);
  state.counters["bytes/s"] = Counter(static_cast<double>(product.weight_bytes()), Counter::kIsIterationInvariantRate);
}

void register_products(const Kernels& kernels, const Bounds& bounds) {
  const Units units = units_of(kernels.name);
  for (const ProductKind& kind : product_kinds()) {
    const double peak = 1e9 * bounds.peaks.gmacs(kind.integer ? units.integer : units.floating);
    for (const Shape& shape : kind.shapes) {
      const std::string name = fmt::format("{}/{}/{}", kind.name, kernels.name, to_string(shape));
      benchmark::RegisterBenchmark(name.c_str(), [&kernels, &bounds, kind, shape, peak](benchmark::State& state) {
        const Product product = kind.make(kernels, shape);
        run_product(state, product, nullptr);
        if (peak > 0) state.counters["of_peak"] = Counter(product.macs() / peak, Counter::kIsIterationInvariantRate);
        const double reads = 1e9 * level_of(bounds.levels, product.weight_bytes()).gigabytes_per_second;
        state.counters["of_reads"] =
            Counter(static_cast<double>(product.weight_bytes()) / reads, Counter::kIsIterationInvariantRate);
      });
    }
  }
  const std::string name = fmt::format("ternary/{}/{}/threads:2", kernels.name, to_string(kHead));
  benchmark::RegisterBenchmark(name.c_str(), [&kernels](benchmark::State& state) {
    ThreadPool pool(2);
    run_product(state, Product::ternary(kernels, kHead), &pool);
  })->UseRealTime();
}

void register_pieces(const Kernels& kernels) {
  const auto each = [&](const char* kind, std::size_t count, auto run) {
    benchmark::RegisterBenchmark(fmt::format("{}/{}/{}", kind, kernels.name, count).c_str(),
                                 [&kernels, count, run](benchmark::State& state) {
                                   const std::vector<float> x = random_floats(count);
                                   std::vector<float> out = x;
                                   for (auto _ : state) {
                                     run(kernels, x, out);
                                     benchmark::ClobberMemory();
                                   }
                                   state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
                                 });
  };
  using In = const std::vector<float>&;
  using Out = std::vector<float>&;
  each("layer_norm", 128, [](const Kernels& k, In x, Out out) {
    layer_norm(k, {x, 1, x.size()}, x, x, 1e-5f, {out, 1, x.size()});
  });
  each("gelu", 512, [](const Kernels& k, In x, Out out) { gelu(k, x, out); });
  each("softmax", 1024, [](const Kernels& k, In, Out out) { softmax(k, out); });
  each("row_max_index", 50257, [](const Kernels& k, In x, Out) { benchmark::DoNotOptimize(row_max_index(k, x)); });
  each("quantize", 128, [](const Kernels& k, In x, Out) {
    static thread_local QuantizedActivations quantized;
    quantize_activations(k, {x, 1, x.size()}, quantized);
  });
}

// One head's attention over `keys` rows of its own, for `heads` of them in turn: one head's 1,024 rows of 72 bytes lie
// in a second-level cache, the 32 heads of a model's full window only in a third.
void register_attention(const Kernels& kernels) {
  static constexpr std::size_t kWidth = 32;
  for (const auto& [keys, heads] : {std::pair<std::size_t, std::size_t>{64, 1}, {1024, 1}, {1024, 32}}) {
    benchmark::RegisterBenchmark(
        fmt::format("attend/{}/{}x{}", kernels.name, heads, keys).c_str(),
        [&kernels, keys, heads](benchmark::State& state) {
          QuantizedActivations query;
          quantize_heads(kernels, {random_floats(kWidth), 1, kWidth}, query);
          AlignedBuffer<std::int8_t> codes(2 * heads * keys * kWidth);  // keys [heads, keys, width], then values
          Random random(1);
          for (auto& code : codes.span()) code = static_cast<std::int8_t>(random.below(255));  // flipped or not
          const std::vector<float> scales(2 * heads * keys, 0x1p-12f);  // scores of deviation 1
          AlignedBuffer<float> scratch(keys);
          std::vector<float> out(kWidth);
          std::size_t head = 0;
          for (auto _ : state) {
            const std::size_t key = head * keys;
            const std::size_t value = (heads + head) * keys;
            const AttentionRange range{query.codes(0).data(),
                                       0x1p-4f,
                                       codes.data() + key * kWidth,
                                       scales.data() + key,
                                       codes.data() + value * kWidth,
                                       scales.data() + value,
                                       nullptr,
                                       0,
                                       keys};
            attend(kernels, {&range, 1}, scratch.span(), out);
            benchmark::ClobberMemory();
            head = head + 1 == heads ? 0 : head + 1;
          }
          state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(keys));
        });
  }
}

// The seconds of --summary[=SECONDS]; nothing where it is not given, 0 where they are no positive number.
std::optional<double> summary_seconds(std::span<char* const> arguments) {
  constexpr std::string_view kFlag = "--summary";
  for (const std::string_view argument : arguments) {
    if (argument == kFlag) return 0.2;
    if (!argument.starts_with(kFlag) || argument[kFlag.size()] != '=') continue;
    double seconds = 0;
    const std::string_view value = argument.substr(kFlag.size() + 1);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    return error == std::errc() && end == value.data() + value.size() && seconds > 0 ? seconds : 0.0;
  }
  return std::nullopt;
}

int run(int argument_count, char** arguments) {
  if (const auto seconds = summary_seconds(std::span(arguments, static_cast<std::size_t>(argument_count)))) {
    if (argument_count != 2 || *seconds == 0) {
      fmt::print(stderr, "kernels_bench: --summary stands alone, and its seconds are a positive number\n");
      return 2;
    }
    print_summary(measure_bounds(), *seconds);
    return 0;
  }
  benchmark::Initialize(&argument_count, arguments);
  if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 2;
  const Bounds bounds = measure_bounds();
  fmt::print("{}", describe(bounds));
  for (const Kernels* kernels : available_kernels()) {
    register_products(*kernels, bounds);
    register_pieces(*kernels);
    register_attention(*kernels);
  }
  const bool any = benchmark::RunSpecifiedBenchmarks() > 0;
  benchmark::Shutdown();
  return any ? 0 : 1;
}

}  // namespace
}  // namespace bitmar::bench

int main(int argument_count, char** arguments) {
  return bitmar::bench::run(argument_count, arguments);
}
