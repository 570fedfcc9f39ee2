#include "nn/fused_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "model/schema/tensor_codec.h"
#include "nn/attention.h"
#include "nn/bit_linear.h"

namespace bitmar {
namespace {

bool same(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::equal(a, b);
}

// The quantizers of docs/model.md, written with torch's own operations.
torch::Tensor plain_activations(const torch::Tensor& x) {
  const torch::Tensor s = 127.0f / x.abs().amax(-1, true);
  return (x * s).round().clamp(-127, 127) / s;
}

torch::Tensor plain_ternary(const torch::Tensor& w, const torch::Tensor& scale) {
  return (w / scale).round().clamp(-1, 1) * scale;
}

TEST(FakeQuantizeActivations, EqualsPlainTorch) {
  torch::manual_seed(1);
  for (const std::int64_t features : {1, 7, 16, 17, 192, 1000}) {
    const torch::Tensor x = torch::randn({3, 5, features}) * torch::logspace(-3, 3, 5).view({5, 1});
    EXPECT_TRUE(same(fake_quantize_activations(x), plain_activations(x))) << features;
  }
}

TEST(FakeQuantizeActivations, RoundsHalfToEvenAndKeepsZeroTokens) {
  // The maximum is 127, so s = 1 and the values are their own codes before rounding.
  const torch::Tensor x =
      torch::tensor({{127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f}, {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f}});
  const torch::Tensor expected =
      torch::tensor({{127.0f, 0.0f, 2.0f, 2.0f, -0.0f, -2.0f, -126.0f}, {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f}});
  EXPECT_TRUE(same(fake_quantize_activations(x), expected));
}

TEST(FakeQuantizeActivations, OtherTypesFollowTheSameRule) {
  torch::manual_seed(2);
  const torch::Tensor x = torch::randn({4, 33}, torch::kDouble);
  const torch::Tensor y = fake_quantize_activations(x);
  EXPECT_EQ(y.scalar_type(), torch::kDouble);
  // Half a step at most, the step being max / 127.
  const torch::Tensor step = x.abs().amax(-1, true) / 127;
  EXPECT_TRUE(((y - x).abs() <= step * 0.5000001).all().item<bool>());
  EXPECT_TRUE(
      same(fake_quantize_activations(torch::zeros({2, 4}, torch::kDouble)), torch::zeros({2, 4}, torch::kDouble)));
}

TEST(FakeQuantizeActivations, PassesTheGradientUnchanged) {
  torch::manual_seed(3);
  const torch::Tensor x = torch::randn({4, 19}).requires_grad_();
  const torch::Tensor weights = torch::randn({4, 19});
  (fake_quantize_activations(x) * weights).sum().backward();
  EXPECT_TRUE(same(x.grad(), weights));
}

// [sequences, T, heads · width] -> [sequences, heads, T, width], rotated where tables are given.
torch::Tensor plain_heads(const torch::Tensor& x, std::int64_t heads, const RotaryTable& table) {
  auto split = x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
  if (table.cosine.defined()) {
    const auto halves = split.chunk(2, -1);
    split = torch::cat(
        {halves[0] * table.cosine - halves[1] * table.sine, halves[0] * table.sine + halves[1] * table.cosine}, -1);
  }
  return split;
}

TEST(QuantizedHeads, EqualPlainTorchAndPassTheRotationsGradient) {
  torch::manual_seed(4);
  for (const auto& [heads, width] : {std::pair<std::int64_t, std::int64_t>{4, 32}, {2, 6}, {1, 50}, {3, 64}}) {
    for (const bool rotated : {false, true}) {
      const std::int64_t length = 37;
      const RotaryTable table = rotated ? RotaryTable::make(length, width, 10000.0, torch::kCPU) : RotaryTable();
      // Part of a wider product, as queries, keys and values come; a token of zeros.
      const torch::Tensor wide = torch::randn({5, length, 3 * heads * width});
      wide.select(1, 3).zero_();
      const torch::Tensor x = wide.narrow(2, heads * width, heads * width).requires_grad_();
      const torch::Tensor plain = plain_heads(x, heads, table);
      const torch::Tensor expected = fake_quantize_heads(plain);
      const torch::Tensor y = quantized_heads(x, heads, table.cosine, table.sine);
      EXPECT_TRUE(same(y, expected)) << heads << " heads of " << width << ", rotated " << rotated;
      const torch::Tensor upstream = torch::randn(y.sizes());
      const auto gradient = [&](const torch::Tensor& output) {
        return torch::autograd::grad({(output * upstream).sum()}, {x})[0];
      };
      EXPECT_TRUE(same(gradient(y), gradient(plain))) << heads << " heads of " << width << ", rotated " << rotated;
    }
  }
}

TEST(QuantizedHeads, OtherTypesFollowTheSameRule) {
  const torch::Tensor x = torch::randn({2, 5, 16}, torch::kDouble);
  const RotaryTable table = RotaryTable::make(5, 8, 10000.0, torch::kCPU);
  const torch::Tensor y = quantized_heads(x, 2, table.cosine, table.sine);
  EXPECT_EQ(y.scalar_type(), torch::kDouble);
  EXPECT_TRUE(same(y, fake_quantize_heads(plain_heads(x, 2, table))));
}

TEST(FakeQuantizeTernary, EqualsPlainTorch) {
  torch::manual_seed(5);
  const torch::Tensor w = torch::randn({37, 41}) * 0.05;
  const torch::Tensor scale = w.abs().mean().reshape({1});
  EXPECT_TRUE(same(fake_quantize_ternary(w, scale), plain_ternary(w, scale)));
}

TEST(FakeQuantizeTernary, RoundsHalfToEven) {
  const torch::Tensor w = torch::tensor({{0.25f, -0.25f, 0.26f, 0.75f, 5.0f, -5.0f}});
  const torch::Tensor expected = torch::tensor({{0.0f, -0.0f, 0.5f, 0.5f, 0.5f, -0.5f}});
  EXPECT_TRUE(same(fake_quantize_ternary(w, torch::tensor({0.5f})), expected));
}

TEST(FakeQuantizeTernary, GradientsAreStraightThroughAndLsq) {
  torch::manual_seed(6);
  // More than one block of partial sums, and a rest.
  const torch::Tensor w = (torch::randn({150, 231}) * 0.05).requires_grad_();
  const torch::Tensor scale = torch::tensor({0.04f}).requires_grad_();
  const torch::Tensor upstream = torch::randn({150, 231});
  (fake_quantize_ternary(w, scale) * upstream).sum().backward();
  EXPECT_TRUE(same(w.grad(), upstream));

  const torch::Tensor ratio = w.detach().to(torch::kDouble) / scale.detach().to(torch::kDouble);
  const torch::Tensor slope = torch::where(ratio.abs() <= 1, ratio.round() - ratio, ratio.sign());
  const double count = static_cast<double>(w.numel());
  const torch::Tensor terms = upstream.to(torch::kDouble) * slope;
  const double expected = terms.sum().item<double>() / std::sqrt(count);
  // Each term carries a few roundings of FP32, its ratio's relative error times |ratio| at most about 4; sums are
  // held in 16 lanes of at most 1024 FP32 additions each.
  const double tolerance = 1024 * 6e-8 * terms.abs().sum().item<double>() / std::sqrt(count);
  EXPECT_NEAR(scale.grad().item<double>(), expected, tolerance);
  EXPECT_GT(std::abs(expected), 10 * tolerance);
}

TEST(FakeQuantizeTernary, DoesNotDependOnThreads) {
  torch::manual_seed(7);
  const auto gradient = [](int threads) {
    torch::manual_seed(7);
    const int before = torch::get_num_threads();
    torch::set_num_threads(threads);
    const torch::Tensor w = (torch::randn({400, 300}) * 0.05).requires_grad_();
    const torch::Tensor scale = torch::tensor({0.04f}).requires_grad_();
    fake_quantize_ternary(w, scale).square().sum().backward();
    torch::set_num_threads(before);
    return scale.grad().clone();
  };
  EXPECT_TRUE(same(gradient(1), gradient(2)));
}

TEST(FakeQuantizeTernary, ScaleBelowTheMinimumIsTheMinimum) {
  const torch::Tensor w = torch::tensor({{1.0f, -1.0f, 0.0f}});
  const torch::Tensor y = fake_quantize_ternary(w, torch::tensor({-3.0f}));
  EXPECT_TRUE(same(y, torch::tensor({{kMinimumTernaryScale, -kMinimumTernaryScale, 0.0f}})));
}

TEST(FakeQuantizeInt8Rows, EqualsTheFilesCodesTimesScales) {
  torch::manual_seed(8);
  torch::Tensor w = torch::randn({6, 45}) * torch::logspace(-4, 2, 6).view({6, 1});
  w[2].zero_();
  const Int8Matrix matrix = quantize_int8_rows({w.const_data_ptr<float>(), static_cast<std::size_t>(w.numel())}, 6, 45);
  std::vector<float> expected(matrix.codes.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expected[i] = static_cast<float>(matrix.codes[i]) * matrix.scales[i / 45];
  }
  EXPECT_TRUE(same(fake_quantize_int8_rows(w), torch::tensor(expected).view({6, 45})));
}

TEST(FakeQuantizeInt8Rows, PassesTheGradientUnchanged) {
  torch::manual_seed(9);
  const torch::Tensor w = torch::randn({3, 20}).requires_grad_();
  const torch::Tensor upstream = torch::randn({3, 20});
  (fake_quantize_int8_rows(w) * upstream).sum().backward();
  EXPECT_TRUE(same(w.grad(), upstream));
}

TEST(BitLinear, ProjectsQuantizedInputWithQuantizedWeight) {
  torch::manual_seed(10);
  BitLinear layer(24, 8, /*with_bias=*/true);
  {
    const torch::NoGradGuard no_gradient;
    layer->bias.normal_();
  }
  const torch::Tensor x = torch::randn({5, 24});
  const torch::Tensor expected =
      torch::linear(plain_activations(x), plain_ternary(layer->weight, layer->scale), layer->bias);
  // The layer's sums are exact; 24 products in FP32 are not.
  EXPECT_LT((layer(x) - expected).abs().max().item<double>(), 24 * 0x1p-24 * expected.abs().max().item<double>());
  EXPECT_FLOAT_EQ(layer->scale.item<float>(), layer->weight.abs().mean().item<float>());
  const double zeros = (layer->effective_weight() == 0).to(torch::kDouble).mean().item<double>();
  EXPECT_DOUBLE_EQ(layer->zero_fraction(), zeros);
}

TEST(BitLinear, FloatPrecisionIsAnOrdinaryLinearLayer) {
  torch::manual_seed(11);
  BitLinear layer(24, 8, false, LinearPrecision::kFloat32);
  const torch::Tensor x = torch::randn({5, 24});
  EXPECT_TRUE(same(layer(x), torch::linear(x, layer->weight)));
  EXPECT_EQ(layer->named_parameters().size(), 1u);
  EXPECT_EQ(layer->zero_fraction(), 0.0);
}

}  // namespace
}  // namespace bitmar
