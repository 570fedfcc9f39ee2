// Matrix products to time: weights and activations of random numbers in the layout of one table of kernels.
//
//   const Product product = Product::ternary(kernels, {50257, 128, 1});
//   product.run(nullptr);
//   product.macs(), product.weight_bytes()
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace bitmar::bench {

struct Shape {
  std::size_t rows, columns, tokens;
};

// "512x128/tokens:16"
[[nodiscard]] std::string to_string(const Shape& shape);

class Product {
 public:
  static Product ternary(const Kernels& kernels, const Shape& shape);
  static Product int8(const Kernels& kernels, const Shape& shape);
  static Product floating(const Kernels& kernels, const Shape& shape);

  // `pool` may be null.
  void run(ThreadPool* pool) const { run_(pool); }
  [[nodiscard]] double macs() const { return macs_; }
  // What one run reads of weights at least.
  [[nodiscard]] std::size_t weight_bytes() const { return weight_bytes_; }

 private:
  Product(const Shape& shape, std::size_t weight_bytes, std::function<void(ThreadPool*)> run)
      : run_(std::move(run)),
        macs_(static_cast<double>(shape.rows * shape.columns * shape.tokens)),
        weight_bytes_(weight_bytes) {}

  std::function<void(ThreadPool*)> run_;
  double macs_;
  std::size_t weight_bytes_;
};

// A kind of product, and the shapes that the model and its towers have, or that show where a kernel's bound is.
struct ProductKind {
  std::string_view name;
  Product (*make)(const Kernels& kernels, const Shape& shape);
  std::span<const Shape> shapes;
  bool integer;  // which of a table's units bounds it
};
[[nodiscard]] std::span<const ProductKind> product_kinds();

// Standard normal numbers; the same count gives the same numbers.
[[nodiscard]] std::vector<float> random_floats(std::size_t count);

}  // namespace bitmar::bench
