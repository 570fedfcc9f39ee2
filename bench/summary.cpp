#include "summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include "products.h"

namespace bitmar::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Without vector instructions a product of more takes seconds and says no more.
constexpr double kScalarMacs = 3e7;
// A sample is at least so long, to be longer than the clock's tick.
constexpr double kSampleSeconds = 20e-6;

double seconds_of(const Product& product, std::size_t runs) {
  const auto start = Clock::now();
  for (std::size_t run = 0; run < runs; ++run) product.run(nullptr);
  return std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(runs);
}

// The median over samples that together take `budget` seconds; one at least, after an untimed run.
double median_seconds(const Product& product, double budget) {
  const double first = seconds_of(product, 1);
  const auto runs = static_cast<std::size_t>(kSampleSeconds / first) + 1;
  std::vector<double> samples;
  for (double spent = first; spent < budget || samples.empty();) {
    samples.push_back(seconds_of(product, runs));
    spent += samples.back() * static_cast<double>(runs);
  }
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::ranges::nth_element(samples, middle);
  return *middle;
}

void print_row(const Kernels& kernels, const ProductKind& kind, const Shape& shape, const Bounds& bounds,
               double seconds) {
  const Product product = kind.make(kernels, shape);
  const double median = median_seconds(product, seconds);
  const double gmacs = product.macs() / median / 1e9;
  const double gigabytes = static_cast<double>(product.weight_bytes()) / median / 1e9;
  const Units units = units_of(kernels.name);
  const std::string_view unit = kind.integer ? units.integer : units.floating;
  const double peak = bounds.peaks.gmacs(unit);
  const CacheLevel& level = level_of(bounds.levels, product.weight_bytes());
  fmt::print("{:<16}{:<9}{:<24}{:>11.2f}{:>9.1f}{:>8}  {:<13}{:>8.1f}{:>7.0f} % {}\n", kernels.name, kind.name,
             to_string(shape), median * 1e6, gmacs, peak > 0 ? fmt::format("{:.0f} %", 100 * gmacs / peak) : "-", unit,
             gigabytes, 100 * gigabytes / level.gigabytes_per_second, level.name);
}

}  // namespace

void print_summary(const Bounds& bounds, double seconds) {
  fmt::print("{}\n{:<16}{:<9}{:<24}{:>11}{:>9}{:>8}  {:<13}{:>8}{:>9}\n", describe(bounds), "kernels", "product",
             "shape", "median µs", "GMAC/s", "peak", "of", "GB/s", "of reads");
  for (const Kernels* kernels : available_kernels()) {
    for (const ProductKind& kind : product_kinds()) {
      for (const Shape& shape : kind.shapes) {
        const double macs = static_cast<double>(shape.rows * shape.columns * shape.tokens);
        if (kernels == &scalar_kernels() && macs > kScalarMacs) continue;
        print_row(*kernels, kind, shape, bounds, seconds);
      }
    }
  }
}

}  // namespace bitmar::bench
