#include "nn/fused_attention.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

#include "nn/attention_kernels.h"

namespace bitmar {
namespace {

struct Case {
  std::int64_t queries, keys, width;
  bool causal;
};

const Case kCases[] = {{1, 1, 32, true},     {5, 5, 32, true},   {16, 16, 32, true},    {33, 33, 64, true},
                       {130, 130, 32, true}, {7, 50, 32, false}, {197, 197, 64, false}, {40, 3, 64, false}};

// Heads as the model has them: a view of rows that hold all heads.
torch::Tensor random_heads(std::int64_t length, std::int64_t width) {
  return torch::randn({2, length, 3 * width}).view({2, length, 3, width}).transpose(1, 2).detach();
}

// Written out, in double precision. -> [sequences, T, heads * width]
torch::Tensor plain_attention(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value,
                              bool causal) {
  auto scores = torch::matmul(query, key.transpose(-2, -1)) / std::sqrt(static_cast<double>(query.size(3)));
  if (causal) {
    const auto future = torch::ones({query.size(2), key.size(2)}, torch::kBool).triu(1);
    scores = scores.masked_fill(future, -std::numeric_limits<double>::infinity());
  }
  const auto heads = torch::matmul(torch::softmax(scores, -1), value);
  return heads.transpose(1, 2).reshape({query.size(0), query.size(2), query.size(1) * query.size(3)});
}

TEST(FusedAttention, EqualsThePlainComputationAndItsGradients) {
  torch::manual_seed(1);
  for (const Case& given : kCases) {
    SCOPED_TRACE(testing::Message() << given.queries << " queries, " << given.keys << " keys, width " << given.width);
    std::vector<torch::Tensor> fused, plain;
    for (const std::int64_t length : {given.queries, given.keys, given.keys}) {
      fused.push_back(random_heads(length, given.width).requires_grad_());
      plain.push_back(fused.back().detach().to(torch::kFloat64).requires_grad_());
    }
    const auto out = fused_attention(fused[0], fused[1], fused[2], {}, given.causal);
    const auto expected = plain_attention(plain[0], plain[1], plain[2], given.causal);
    const auto upstream = torch::randn(expected.sizes(), torch::kFloat64);
    (out.to(torch::kFloat64) * upstream).sum().backward();
    (expected * upstream).sum().backward();

    // Each value is a sum of `width` products, then one over the keys or the queries.
    const double terms = static_cast<double>(given.width + std::max(given.queries, given.keys));
    const double tolerance = terms * 0x1p-24;
    const auto relative = [](const torch::Tensor& found, const torch::Tensor& wanted) {
      return (found.to(torch::kFloat64) - wanted).norm().item<double>() / wanted.norm().item<double>();
    };
    EXPECT_LT(relative(out, expected), tolerance);
    for (std::size_t i = 0; i < 3; ++i) {
      if (given.keys == 1 && i < 2) {  // one weight, always 1
        EXPECT_LT(fused[i].grad().abs().max().item<double>(), terms * 0x1p-20);
        continue;
      }
      EXPECT_LT(relative(fused[i].grad(), plain[i].grad()), tolerance) << "gradient " << i;
    }
  }
}

TEST(FusedAttention, LaterKeysChangeNothingBefore) {
  torch::manual_seed(2);
  constexpr std::int64_t kLength = 45;
  const auto query = random_heads(kLength, 32), key = random_heads(kLength, 32), value = random_heads(kLength, 32);
  const auto before = fused_attention(query, key, value, {}, true);
  for (const std::int64_t changed : {1, 8, 17, 44}) {
    const auto other_key = key.clone(), other_value = value.clone();
    other_key.select(2, changed).add_(3.0);
    other_value.select(2, changed).mul_(-2.0);
    const auto after = fused_attention(query, other_key, other_value, {}, true);
    EXPECT_TRUE(torch::equal(after.narrow(1, 0, changed), before.narrow(1, 0, changed))) << changed;
    EXPECT_FALSE(torch::equal(after.select(1, changed), before.select(1, changed))) << changed;
  }
}

TEST(FusedAttention, AnyNumberOfThreadsGivesTheSameBits) {
  const int threads = at::get_num_threads();
  const auto results = [](int count) {
    at::set_num_threads(count);
    torch::manual_seed(3);
    std::vector<torch::Tensor> given;
    for (int i = 0; i < 3; ++i) given.push_back(random_heads(50, 32).requires_grad_());
    const auto out = fused_attention(given[0], given[1], given[2], {}, true);
    out.square().sum().backward();
    return std::vector{out.detach(), given[0].grad(), given[1].grad(), given[2].grad()};
  };
  const auto one = results(1), three = results(3);
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], three[i])) << i;
}

TEST(AttentionKernels, EveryWidthOfRegisterGivesTheSameBits) {
  if (!has_wide_vectors()) GTEST_SKIP() << "this processor has no AVX-512: the other tests ran the narrow registers";
  torch::manual_seed(5);
  for (const Case& given : kCases) {
    const auto rows = [&](std::int64_t length) { return torch::randn({length, given.width}); };
    const auto query = rows(given.queries), key = rows(given.keys), value = rows(given.keys),
               d_out = rows(given.queries);
    const auto stride = static_cast<std::size_t>(given.width);
    const auto in = [&](const torch::Tensor& x) { return HeadRows{x.const_data_ptr<float>(), stride}; };
    const auto into = [&](const torch::Tensor& x) { return MutableHeadRows{x.mutable_data_ptr<float>(), stride}; };
    const auto results = [&](bool wide) {
      const AttentionShape shape{.queries = static_cast<std::size_t>(given.queries),
                                 .keys = static_cast<std::size_t>(given.keys),
                                 .width = stride,
                                 .causal = given.causal,
                                 .wide_vectors = wide};
      std::vector found = {rows(given.queries), rows(given.queries), rows(given.keys), rows(given.keys)};
      std::vector<float> log_sums(shape.queries);
      AttentionScratch scratch;
      attention_forward(shape, in(query), in(key), in(value), into(found[0]), log_sums, scratch);
      attention_backward(shape, in(query), in(key), in(value), in(found[0]), log_sums, in(d_out),
                         {.query = into(found[1]), .key = into(found[2]), .value = into(found[3])}, scratch);
      return found;
    };
    const auto wide = results(true), narrow = results(false);
    for (std::size_t i = 0; i < wide.size(); ++i) {
      EXPECT_TRUE(torch::equal(wide[i], narrow[i])) << given.queries << " queries, " << given.width << " wide, " << i;
    }
  }
}

TEST(FusedAttention, TakesAMaskAndOtherWidths) {
  torch::manual_seed(4);
  auto mask = torch::zeros({2, 1, 1, 9});
  mask.narrow(3, 4, 5).fill_(-std::numeric_limits<float>::infinity());
  const auto query = random_heads(6, 32), key = random_heads(9, 32), value = random_heads(9, 32);
  const auto masked = fused_attention(query, key, value, mask, false);
  const auto shorter = fused_attention(query, key.narrow(2, 0, 4), value.narrow(2, 0, 4), {}, false);
  EXPECT_TRUE(torch::allclose(masked, shorter, 1e-5, 1e-6));
  const auto narrow = random_heads(6, 8);
  EXPECT_TRUE(torch::allclose(
      fused_attention(narrow, narrow, narrow, {}, true).to(torch::kFloat64),
      plain_attention(narrow.to(torch::kFloat64), narrow.to(torch::kFloat64), narrow.to(torch::kFloat64), true), 1e-5,
      1e-6));
}

}  // namespace
}  // namespace bitmar
