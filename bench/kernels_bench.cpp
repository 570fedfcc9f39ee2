// Rates of the kernels on the model's shapes, for every instruction set that runs here. Each matrix product also
// prints which fraction of the peak, measured in the same run, it reaches: 8-bit `maddubs` for the integer ones, FP32
// fused multiply-adds for the float ones.
//
//   kernels_bench --benchmark_filter=ternary/avx2
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/linear.h"
#include "kernels/ops.h"
#include "peak.h"

namespace bitmar::bench {
namespace {

struct Shape {
  std::size_t rows, columns, tokens;
};

std::vector<std::int8_t> random_codes(std::size_t count, int limit) {
  Random random(count);
  std::vector<std::int8_t> codes(count);
  for (auto& code : codes) {
    code = static_cast<std::int8_t>(static_cast<int>(random.below(static_cast<std::uint64_t>(2 * limit + 1))) - limit);
  }
  return codes;
}

std::vector<float> random_floats(std::size_t count) {
  Random random(count);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

void report(benchmark::State& state, const Shape& shape, double peak_gmacs) {
  const double macs = static_cast<double>(shape.rows * shape.columns * shape.tokens);
  using benchmark::Counter;
  state.counters["MAC/s"] = Counter(macs, Counter::kIsIterationInvariantRate);
  if (peak_gmacs > 0) {
    state.counters["of_peak"] = Counter(macs / (peak_gmacs * 1e9), Counter::kIsIterationInvariantRate);
  }
}

template <typename Matrix>
void run_quantized(benchmark::State& state, const Kernels& kernels, const Matrix& matrix, const Shape& shape,
                   double peak_gmacs, ThreadPool* pool) {
  QuantizedActivations quantized;
  quantize_activations(kernels, {random_floats(shape.tokens * shape.columns), shape.tokens, shape.columns}, quantized);
  std::vector<float> out(shape.tokens * shape.rows);
  for (auto _ : state) {
    matrix.apply(quantized, {out, shape.tokens, shape.rows}, pool);
    benchmark::ClobberMemory();
  }
  report(state, shape, peak_gmacs);
}

void run_float(benchmark::State& state, const Kernels& kernels, const Shape& shape, double peak_gmacs) {
  const FloatLinear matrix(kernels, random_floats(shape.rows * shape.columns), shape.rows, shape.columns);
  const std::vector<float> x = random_floats(shape.tokens * shape.columns);
  std::vector<float> out(shape.tokens * shape.rows);
  for (auto _ : state) {
    matrix.apply({x, shape.tokens, shape.columns}, {out, shape.tokens, shape.rows}, nullptr);
    benchmark::ClobberMemory();
  }
  report(state, shape, peak_gmacs);
}

void register_products(const Kernels& kernels, const Peak& peak) {
  const auto name = [&](const char* kind, const Shape& shape) {
    return fmt::format("{}/{}/{}x{}/tokens:{}", kind, kernels.name, shape.rows, shape.columns, shape.tokens);
  };
  for (const Shape& shape : {Shape{50257, 128, 1}, Shape{50257, 128, 2}, Shape{128, 128, 1}, Shape{512, 128, 1},
                             Shape{128, 512, 1}, Shape{2560, 2560, 1}, Shape{50257, 128, 4}, Shape{512, 128, 16},
                             Shape{2560, 2560, 16}, Shape{768, 192, 197}, Shape{192, 768, 197}}) {
    benchmark::RegisterBenchmark(name("ternary", shape).c_str(), [&kernels, shape, peak](benchmark::State& state) {
      const auto codes = random_codes(shape.rows * shape.columns, 1);
      const TernaryLinear matrix(kernels, codes, shape.rows, shape.columns, 0.1f);
      run_quantized(state, kernels, matrix, shape, peak.maddubs_gmacs, nullptr);
    });
  }
  const Shape head{50257, 128, 1};
  benchmark::RegisterBenchmark((name("ternary", head) + "/threads:2").c_str(), [&kernels, head](auto& state) {
    const auto codes = random_codes(head.rows * head.columns, 1);
    ThreadPool pool(2);
    run_quantized(state, kernels, TernaryLinear(kernels, codes, head.rows, head.columns, 0.1f), head, 0, &pool);
  })->UseRealTime();
  for (const Shape& shape : {Shape{768, 192, 1}, Shape{768, 192, 197}, Shape{768, 768, 257}}) {
    benchmark::RegisterBenchmark(name("int8", shape).c_str(), [&kernels, shape, peak](benchmark::State& state) {
      const auto codes = random_codes(shape.rows * shape.columns, 127);
      const std::vector<float> scales(shape.rows, 0.01f);
      const Int8Linear matrix(kernels, codes, shape.rows, shape.columns, scales);
      run_quantized(state, kernels, matrix, shape, peak.maddubs_gmacs, nullptr);
    });
  }
  for (const Shape& shape :
       {Shape{768, 192, 1}, Shape{768, 192, 197}, Shape{192, 768, 197}, Shape{768, 3072, 257}, Shape{3072, 768, 257}}) {
    benchmark::RegisterBenchmark(name("float", shape).c_str(), [&kernels, shape, peak](benchmark::State& state) {
      run_float(state, kernels, shape, peak.fma_gmacs);
    });
  }
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
  each("attention_scores", 1024 * 32, [](const Kernels& k, In x, Out out) {
    attention_scores(k, std::span(x).first(32), x, 32, 0.2f, std::span(out).first(1024));
  });
  each("weighted_sum", 1024 * 32, [](const Kernels& k, In x, Out out) {
    weighted_sum(k, std::span(x).first(1024), x, 32, std::span(out).first(32));
  });
}

}  // namespace
}  // namespace bitmar::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const auto peak = bitmar::bench::measure_peak().value_or(bitmar::bench::Peak{0, 0});
  fmt::print("peak, one thread: maddubs {:.1f} GMAC/s, FP32 FMA {:.1f} GMAC/s\n", peak.maddubs_gmacs, peak.fma_gmacs);
  for (const bitmar::Kernels* kernels : bitmar::available_kernels()) {
    bitmar::bench::register_products(*kernels, peak);
    bitmar::bench::register_pieces(*kernels);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
