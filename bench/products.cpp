#include "products.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "base/random.h"
#include "kernels/linear.h"

namespace bitmar::bench {
namespace {

constexpr std::array kTernaryShapes = {
    Shape{50257, 128, 1},   Shape{50257, 128, 2}, Shape{50257, 128, 4}, Shape{50257, 128, 16}, Shape{50257, 128, 64},
    Shape{50257, 128, 256}, Shape{128, 128, 1},   Shape{512, 128, 1},   Shape{512, 128, 16},   Shape{512, 128, 64},
    Shape{512, 128, 256},   Shape{128, 512, 1},   Shape{2560, 2560, 1}, Shape{2560, 2560, 16}, Shape{2560, 2560, 64},
    Shape{2560, 2560, 256}, Shape{768, 192, 197}, Shape{192, 768, 197},
};
constexpr std::array kInt8Shapes = {
    Shape{50257, 128, 1},  Shape{50257, 128, 16},  Shape{50257, 128, 64}, Shape{50257, 128, 256}, Shape{512, 128, 1},
    Shape{512, 128, 16},   Shape{512, 128, 64},    Shape{512, 128, 256},  Shape{2560, 2560, 1},   Shape{2560, 2560, 16},
    Shape{2560, 2560, 64}, Shape{2560, 2560, 256}, Shape{768, 192, 1},    Shape{768, 192, 197},   Shape{768, 768, 257},
    Shape{3072, 768, 257}, Shape{768, 3072, 257},
};
constexpr std::array kFloatShapes = {
    Shape{768, 192, 1}, Shape{768, 192, 197}, Shape{192, 768, 197}, Shape{768, 3072, 257}, Shape{3072, 768, 257},
};

constexpr std::array kKinds = {
    ProductKind{"ternary", Product::ternary, kTernaryShapes, true},
    ProductKind{"int8", Product::int8, kInt8Shapes, true},
    ProductKind{"float", Product::floating, kFloatShapes, false},
};

// Uniform in [-limit, limit].
std::vector<std::int8_t> random_codes(std::size_t count, int limit) {
  Random random(count);
  std::vector<std::int8_t> codes(count);
  for (auto& code : codes) {
    code = static_cast<std::int8_t>(static_cast<int>(random.below(static_cast<std::uint64_t>(2 * limit + 1))) - limit);
  }
  return codes;
}

// What a run works on; shared, because a std::function is copied.
template <typename Matrix, typename Input>
struct Operands {
  Matrix matrix;
  Input input;
  std::vector<float> out;
};

template <typename Matrix>
std::function<void(ThreadPool*)> quantized_run(const Kernels& kernels, Matrix matrix, const Shape& shape) {
  auto operands = std::make_shared<Operands<Matrix, QuantizedActivations>>(
      std::move(matrix), QuantizedActivations(), std::vector<float>(shape.tokens * shape.rows));
  const std::vector<float> x = random_floats(shape.tokens * shape.columns);
  quantize_activations(kernels, {x, shape.tokens, shape.columns}, operands->input);
  return [operands, shape](ThreadPool* pool) {
    operands->matrix.apply(operands->input, {operands->out, shape.tokens, shape.rows}, pool);
  };
}

}  // namespace

std::string to_string(const Shape& shape) {
  return fmt::format("{}x{}/tokens:{}", shape.rows, shape.columns, shape.tokens);
}

std::vector<float> random_floats(std::size_t count) {
  Random random(count);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

std::span<const ProductKind> product_kinds() {
  return kKinds;
}

Product Product::ternary(const Kernels& kernels, const Shape& shape) {
  TernaryLinear matrix(kernels, random_codes(shape.rows * shape.columns, 1), shape.rows, shape.columns, 0.1f);
  const std::size_t bytes = matrix.memory_bytes();
  return {shape, bytes, quantized_run(kernels, std::move(matrix), shape)};
}

Product Product::int8(const Kernels& kernels, const Shape& shape) {
  const std::vector<float> scales(shape.rows, 0.01f);
  Int8Linear matrix(kernels, random_codes(shape.rows * shape.columns, 127), shape.rows, shape.columns, scales);
  const std::size_t bytes = matrix.memory_bytes();
  return {shape, bytes, quantized_run(kernels, std::move(matrix), shape)};
}

Product Product::floating(const Kernels& kernels, const Shape& shape) {
  FloatLinear matrix(kernels, random_floats(shape.rows * shape.columns), shape.rows, shape.columns);
  const std::size_t bytes = matrix.memory_bytes();
  auto operands = std::make_shared<Operands<FloatLinear, std::vector<float>>>(
      std::move(matrix), random_floats(shape.tokens * shape.columns), std::vector<float>(shape.tokens * shape.rows));
  return {shape, bytes, [operands, shape](ThreadPool* pool) {
            operands->matrix.apply({operands->input, shape.tokens, shape.columns},
                                   {operands->out, shape.tokens, shape.rows}, pool);
          }};
}

}  // namespace bitmar::bench
