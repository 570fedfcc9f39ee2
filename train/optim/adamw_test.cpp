#include "optim/adamw.h"

#include <gtest/gtest.h>
#include <torch/optim/adamw.h>

#include <cmath>

#include "torch_headers.h"

namespace bitmar {
namespace {

torch::Tensor leaf(const torch::Tensor& values) {
  return values.clone().set_requires_grad(true);
}

ParameterGroup dense(const torch::Tensor& parameter, StatePrecision state) {
  return {.name = "body", .parameters = {{"w", parameter}}, .state = state};
}

ParameterGroup sparse(const torch::Tensor& parameter, bool decay = true) {
  return {.name = "rows",
          .parameters = {{"e", parameter}},
          .weight_decay = decay,
          .state = StatePrecision::kFloat32,
          .row_sparse = true};
}

std::uint64_t state_bytes(const AdamW& optimizer) {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : optimizer.state()) bytes += static_cast<std::uint64_t>(tensor.nbytes());
  return bytes;
}

class AdamWTest : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(3); }
};

// Each of n steps rounds the parameter (magnitude up to w) and a step of at most r a few times: the two paths part by
// at most n * (4 ulp(w) + 16 ulp(r)).
double tolerance(int steps, double w, double rate) {
  return steps * (4 * 0x1p-24 * w + 16 * 0x1p-24 * rate);
}

TEST_F(AdamWTest, FullPrecisionFollowsTorch) {
  const torch::Tensor start = torch::randn({37, 11});
  const AdamWSettings settings{.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
  for (const bool fused : {true, false}) {
    torch::Tensor ours = leaf(start);
    torch::Tensor theirs = leaf(start);
    AdamWSettings own = settings;
    own.fused = fused;
    AdamW optimizer({dense(ours, StatePrecision::kFloat32)}, own);
    torch::optim::AdamW oracle({theirs}, torch::optim::AdamWOptions(0.01)
                                             .betas({settings.beta1, settings.beta2})
                                             .eps(settings.epsilon)
                                             .weight_decay(settings.weight_decay));
    constexpr int kSteps = 50;
    for (int step = 0; step < kSteps; ++step) {
      const torch::Tensor gradient = torch::randn({37, 11});
      ours.mutable_grad() = gradient.clone();
      theirs.mutable_grad() = gradient.clone();
      optimizer.step(0.01);
      oracle.step();
    }
    EXPECT_LE((ours - theirs).abs().max().item<double>(), tolerance(kSteps, 4.0, 0.01 * 4));
    EXPECT_GT((ours - start).abs().max().item<double>(), 0.05);
  }
}

TEST_F(AdamWTest, FusedLoopsEqualTorchOperations) {
  for (const StatePrecision precision : {StatePrecision::kFloat32, StatePrecision::kBlockwise8}) {
    const torch::Tensor start = torch::randn({5000});  // two whole blocks and a part
    torch::Tensor a = leaf(start);
    torch::Tensor b = leaf(start);
    AdamW fused({dense(a, precision)}, {});
    AdamW plain({dense(b, precision)}, {.fused = false});
    for (int step = 0; step < 3; ++step) {
      const torch::Tensor gradient = torch::randn({5000}) * torch::randn({5000}).exp();
      a.mutable_grad() = gradient.clone();
      b.mutable_grad() = gradient.clone();
      fused.step(0.01);
      plain.step(0.01);
    }
    // A code may differ where a value falls halfway between two levels: then that one moment differs by a level.
    const torch::Tensor apart = (a - b).abs() > tolerance(3, 4.0, 0.04);
    EXPECT_LE(apart.sum().item<std::int64_t>(), precision == StatePrecision::kFloat32 ? 0 : 5);
  }
}

TEST_F(AdamWTest, EightBitStateTracksFullPrecisionOnARegression) {
  const torch::Tensor inputs = torch::randn({256, 64});
  const torch::Tensor targets = inputs.matmul(torch::randn({64, 80})) + 0.1 * torch::randn({256, 80});
  const auto fit = [&](StatePrecision precision) {
    torch::Tensor w = leaf(torch::zeros({64, 80}));
    AdamW optimizer({dense(w, precision)}, {});
    EXPECT_EQ(state_bytes(optimizer) < 64u * 80 * 3, precision == StatePrecision::kBlockwise8);
    double loss = 0;
    for (int step = 0; step < 300; ++step) {
      const torch::Tensor error = (inputs.matmul(w) - targets).square().mean();
      loss = error.item<double>();
      error.backward();
      optimizer.step(0.05 * (1.0 - step / 300.0));
      optimizer.zero_gradients();
    }
    return loss;
  };
  const double full = fit(StatePrecision::kFloat32);
  const double eight = fit(StatePrecision::kBlockwise8);
  EXPECT_LT(full, 0.01);  // the noise's variance is 0.01, less what 64 weights fit of it
  EXPECT_NEAR(eight, full, 0.05 * full);
}

TEST_F(AdamWTest, SmallTensorsKeepFullPrecision) {
  torch::Tensor w = leaf(torch::zeros({4095}));
  EXPECT_EQ(state_bytes(AdamW({dense(w, StatePrecision::kBlockwise8)}, {})), 4095u * 8 + 8);
}

TEST_F(AdamWTest, RowsTouchedInEveryStepFollowTheDenseUpdate) {
  const torch::Tensor start = torch::randn({6, 8});
  for (const bool fused : {true, false}) {
    torch::Tensor a = leaf(start);
    torch::Tensor b = leaf(start);
    AdamW rows({sparse(a)}, {.weight_decay = 0.1, .fused = fused});
    AdamW whole({dense(b, StatePrecision::kFloat32)}, {.weight_decay = 0.1});
    for (int step = 0; step < 20; ++step) {
      const torch::Tensor gradient = torch::randn({6, 8});
      // In two parts with repeated rows.
      rows.add_row_gradient(
          "e", torch::tensor({5, 0, 3, 1, 2, 4, 0}, torch::kInt64),
          torch::cat({gradient.index_select(0, torch::tensor({5, 0, 3, 1, 2, 4})), torch::ones({1, 8})}));
      rows.add_row_gradient("e", torch::tensor({0}, torch::kInt64), -torch::ones({1, 8}));
      b.mutable_grad() = gradient.clone();
      rows.step(0.01);
      whole.step(0.01);
      rows.zero_gradients();
    }
    // The sum with 1 and -1 rounds the gradient of row 0 once more; the step is at most a few ulp of its rate apart.
    EXPECT_LE((a - b).abs().max().item<double>(), tolerance(20, 4.0, 0.04) + 20 * 0.01 * 0x1p-20);
  }
}

TEST_F(AdamWTest, UntouchedRowsStayAndCatchUpOnDecay) {
  const torch::Tensor start = torch::randn({4, 3});
  for (const bool fused : {true, false}) {
    torch::Tensor w = leaf(start);
    AdamW optimizer({sparse(w)}, {.weight_decay = 0.1, .fused = fused});
    for (int step = 0; step < 10; ++step) {
      optimizer.add_row_gradient("e", torch::tensor({1}, torch::kInt64), torch::ones({1, 3}));
      optimizer.step(0.1);
      optimizer.zero_gradients();
    }
    EXPECT_TRUE(torch::equal(w[0].detach(), start[0]));
    EXPECT_FALSE(torch::equal(w[1].detach(), start[1]));
    optimizer.apply_pending_decay();
    const torch::Tensor expected = start[0] * std::pow(1.0 - 0.1 * 0.1, 10);
    EXPECT_LE((w[0] - expected).abs().max().item<double>(), 4 * 0x1p-24 * 4);
    const torch::Tensor before = w.detach().clone();
    optimizer.apply_pending_decay();
    EXPECT_TRUE(torch::equal(w.detach(), before));
  }
}

TEST_F(AdamWTest, RowsTouchedNowAndThenAreUpdatedAsByTheFusedLoop) {
  const torch::Tensor start = torch::randn({6, 8});
  torch::Tensor a = leaf(start);
  torch::Tensor b = leaf(start);
  AdamW fused({sparse(a)}, {.weight_decay = 0.1});
  AdamW plain({sparse(b)}, {.weight_decay = 0.1, .fused = false});
  for (int step = 0; step < 12; ++step) {
    const torch::Tensor rows = torch::randperm(5).narrow(0, 0, 2);  // the last one never
    const torch::Tensor gradient = torch::randn({2, 8});
    for (AdamW* optimizer : {&fused, &plain}) {
      if (step != 7) optimizer->add_row_gradient("e", rows, gradient);
      optimizer->step(0.01);
      optimizer->zero_gradients();
    }
  }
  EXPECT_LE((a - b).abs().max().item<double>(), tolerance(12, 4.0, 0.04));
  EXPECT_TRUE(torch::equal(b[5].detach(), start[5]));
  const NamedTensors of_fused = fused.state(), of_plain = plain.state();
  for (std::size_t i = 0; i < of_fused.size(); ++i) {
    EXPECT_TRUE(torch::allclose(of_fused[i].second, of_plain[i].second, 1e-5, 1e-9)) << of_fused[i].first;
  }
}

TEST_F(AdamWTest, ARareRowsFirstStepIsAsLargeAsAnyFirstStep) {
  for (const bool fused : {true, false}) {
    torch::Tensor w = leaf(torch::zeros({2, 3}));
    AdamW optimizer({sparse(w)}, {.fused = fused});
    for (int step = 0; step < 100; ++step) {
      optimizer.add_row_gradient("e", torch::tensor({0}, torch::kInt64), torch::ones({1, 3}));
      if (step == 99) optimizer.add_row_gradient("e", torch::tensor({1}, torch::kInt64), torch::ones({1, 3}));
      optimizer.step(0.01);
      optimizer.zero_gradients();
    }
    EXPECT_NEAR(w[1][0].item<double>(), -0.01, 0.01 * 0x1p-20);
  }
}

TEST_F(AdamWTest, TakesSparseAndDenseGradientsOfAutograd) {
  torch::Tensor w = leaf(torch::randn({10, 4}));
  torch::Tensor copy = leaf(w.detach());
  AdamW a({sparse(w)}, {});
  AdamW b({sparse(copy)}, {});
  const torch::Tensor ids = torch::tensor({3, 7, 3}, torch::kInt64);
  torch::embedding(w, ids, -1, false, /*sparse=*/true).square().sum().backward();
  torch::embedding(w, ids, -1, false, /*sparse=*/true).sum().backward();  // accumulates
  const torch::Tensor values = torch::cat({copy.detach().index_select(0, ids) * 2, torch::ones({3, 4})});
  b.add_row_gradient("e", torch::cat({ids, ids}), values);
  EXPECT_NEAR(a.clip_gradients(0.5), b.clip_gradients(0.5), 1e-5);
  a.step(0.01);
  b.step(0.01);
  EXPECT_LE((w - copy).abs().max().item<double>(), 1e-7);
  EXPECT_FALSE(w.grad().defined());
}

TEST_F(AdamWTest, ClipsByTheNormOfAllGradients) {
  torch::Tensor w = leaf(torch::zeros({2}));
  torch::Tensor e = leaf(torch::zeros({3, 2}));
  AdamW optimizer({dense(w, StatePrecision::kFloat32), sparse(e)}, {});
  w.mutable_grad() = torch::tensor({3.0f, 0.0f});
  optimizer.add_row_gradient("e", torch::tensor({2}, torch::kInt64), torch::tensor({{0.0f, 4.0f}}));
  EXPECT_DOUBLE_EQ(optimizer.clip_gradients(10), 5.0);
  EXPECT_DOUBLE_EQ(optimizer.clip_gradients(1), 5.0);
  EXPECT_NEAR(optimizer.clip_gradients(0), 1.0, 1e-6);
  optimizer.scale_gradients(2);
  EXPECT_NEAR(optimizer.clip_gradients(0), 2.0, 1e-6);
  optimizer.set_frozen("rows", true);
  EXPECT_NEAR(optimizer.clip_gradients(0), 1.2, 1e-6);
  w.mutable_grad()[0] = INFINITY;
  EXPECT_FALSE(std::isfinite(optimizer.clip_gradients(1)));
  optimizer.zero_gradients();
  EXPECT_EQ(optimizer.clip_gradients(1), 0.0);
}

TEST_F(AdamWTest, FrozenGroupsKeepParametersAndState) {
  torch::Tensor w = leaf(torch::randn({3}));
  torch::Tensor e = leaf(torch::randn({2, 2}));
  AdamW optimizer({dense(w, StatePrecision::kFloat32), sparse(e)}, {});
  const auto step = [&] {
    w.mutable_grad() = torch::ones({3});
    optimizer.add_row_gradient("e", torch::tensor({0}, torch::kInt64), torch::ones({1, 2}));
    optimizer.step(0.1);
    optimizer.zero_gradients();
  };
  step();
  std::vector<torch::Tensor> before = {w.detach().clone(), e.detach().clone()};
  for (const auto& [name, tensor] : optimizer.state()) before.push_back(tensor.clone());
  optimizer.set_frozen("body", true);
  optimizer.set_frozen("rows", true);
  step();
  std::vector<torch::Tensor> after = {w.detach(), e.detach()};
  for (const auto& [name, tensor] : optimizer.state()) after.push_back(tensor);
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(torch::equal(after[i], before[i]));
  optimizer.set_frozen("body", false);
  step();
  EXPECT_FALSE(torch::equal(w.detach(), before[0]));
  EXPECT_THROW(optimizer.set_frozen("tail", true), c10::Error);
}

TEST_F(AdamWTest, RestoresItsStateBitForBit) {
  const torch::Tensor start = torch::randn({70, 80});
  const torch::Tensor table = torch::randn({20, 4});
  struct Run {
    torch::Tensor w, e;
    AdamW optimizer;
  };
  const auto make = [&](const torch::Tensor& w, const torch::Tensor& e) {
    Run run{leaf(w), leaf(e), AdamW({}, {})};
    run.optimizer = AdamW({dense(run.w, StatePrecision::kBlockwise8), sparse(run.e)}, {.weight_decay = 0.1});
    return run;
  };
  const auto step = [](Run& run, std::uint64_t seed) {
    torch::manual_seed(seed);
    run.w.mutable_grad() = torch::randn({70, 80});
    run.optimizer.add_row_gradient("e", torch::randint(20, {5}, torch::kInt64), torch::randn({5, 4}));
    run.optimizer.step(0.01);
    run.optimizer.zero_gradients();
  };
  Run whole = make(start, table);
  for (std::uint64_t i = 0; i < 5; ++i) step(whole, i);
  Run resumed = make(whole.w.detach(), whole.e.detach());
  NamedTensors saved;
  for (const auto& [name, tensor] : whole.optimizer.state()) saved.emplace_back(name, tensor.clone());
  resumed.optimizer.load_state(saved);
  for (std::uint64_t i = 5; i < 10; ++i) {
    step(whole, i);
    step(resumed, i);
  }
  EXPECT_TRUE(torch::equal(whole.w.detach(), resumed.w.detach()));
  EXPECT_TRUE(torch::equal(whole.e.detach(), resumed.e.detach()));

  saved.pop_back();
  EXPECT_THROW(resumed.optimizer.load_state(saved), c10::Error);
}

// Two processes with gradients of their own take the step of one that has both.
TEST_F(AdamWTest, SumsGradientsOfSeveralProcesses) {
  struct Process {
    torch::Tensor w, v, unused, e;
    AdamW optimizer;
  };
  const torch::Tensor start_w = torch::randn({70, 80}), start_v = torch::randn({5}), start_e = torch::randn({20, 4});
  const auto make = [&] {
    Process one{leaf(start_w), leaf(start_v), leaf(start_v), leaf(start_e), AdamW({}, {})};
    ParameterGroup body = dense(one.w, StatePrecision::kBlockwise8);
    body.parameters.push_back({"v", one.v});
    body.parameters.push_back({"unused", one.unused});
    one.optimizer = AdamW({body, sparse(one.e)}, {.weight_decay = 0.1});
    return one;
  };
  Process both = make(), first = make(), second = make();
  for (int step = 0; step < 4; ++step) {
    // w has a gradient in both, v in the second only, and the table's rows overlap, row 3 twice in one.
    const torch::Tensor w1 = torch::randn({70, 80}), w2 = torch::randn({70, 80}), v = torch::randn({5});
    const torch::Tensor rows1 = torch::tensor({3, 7, 3}), rows2 = torch::tensor({7, 11 + step});
    const torch::Tensor e1 = torch::randn({3, 4}), e2 = torch::randn({2, 4});
    const auto sparse_gradient = [](const torch::Tensor& rows, const torch::Tensor& values) {
      return torch::sparse_coo_tensor(rows.unsqueeze(0), values, {20, 4}, values.options().layout(torch::kSparse));
    };
    first.w.mutable_grad() = w1.clone();
    second.w.mutable_grad() = w2.clone();
    second.v.mutable_grad() = v.clone();
    first.e.mutable_grad() = sparse_gradient(rows1, e1);
    second.e.mutable_grad() = sparse_gradient(rows2, e2);
    both.w.mutable_grad() = w1 + w2;
    both.v.mutable_grad() = v.clone();
    both.e.mutable_grad() = sparse_gradient(rows1, e1);
    both.optimizer.collect_row_gradients();
    both.e.mutable_grad() = sparse_gradient(rows2, e2);

    const torch::Tensor marks = torch::maximum(first.optimizer.gradient_marks(), second.optimizer.gradient_marks());
    const torch::Tensor message = first.optimizer.pack_gradients(marks) + second.optimizer.pack_gradients(marks);
    EXPECT_EQ(message.numel(), 70 * 80 + 5 + 3 * 4);
    for (Process* process : {&first, &second}) {
      process->optimizer.unpack_gradients(marks, message);
      EXPECT_FALSE(process->unused.grad().defined());
      EXPECT_EQ(process->optimizer.gradient_norms().size(), 3u);
      process->optimizer.clip_gradients(1.0);
      process->optimizer.step(0.01);
      process->optimizer.zero_gradients();
    }
    both.optimizer.clip_gradients(1.0);
    both.optimizer.step(0.01);
    both.optimizer.zero_gradients();
  }
  for (const Process* process : {&first, &second}) {
    EXPECT_TRUE(torch::equal(process->w.detach(), both.w.detach()));
    EXPECT_TRUE(torch::equal(process->v.detach(), both.v.detach()));
    EXPECT_TRUE(torch::equal(process->e.detach(), both.e.detach()));
    EXPECT_TRUE(torch::equal(process->unused.detach(), start_v));
  }
  const torch::Tensor marks = first.optimizer.gradient_marks();
  EXPECT_THROW(first.optimizer.unpack_gradients(marks, torch::zeros({1})), c10::Error);
  EXPECT_THROW((void)first.optimizer.pack_gradients(marks.narrow(0, 0, 3)), c10::Error);
}

TEST_F(AdamWTest, RefusesImpossibleGroups) {
  torch::Tensor w = leaf(torch::zeros({4}));
  EXPECT_THROW(AdamW({dense(w, StatePrecision::kFloat32), dense(w, StatePrecision::kFloat32)}, {}), c10::Error);
  EXPECT_THROW(AdamW({sparse(w)}, {}), c10::Error);
  EXPECT_THROW(AdamW({dense(leaf(torch::zeros({4}, torch::kFloat64)), StatePrecision::kFloat32)}, {}), c10::Error);
  EXPECT_THROW(AdamW({dense(leaf(torch::zeros({4, 3})).t(), StatePrecision::kFloat32)}, {}), c10::Error);
  AdamW optimizer({dense(w, StatePrecision::kFloat32)}, {});
  EXPECT_THROW(optimizer.add_row_gradient("w", torch::zeros({1}, torch::kInt64), torch::zeros({1, 1})), c10::Error);
  EXPECT_THROW(optimizer.add_row_gradient("x", torch::zeros({1}, torch::kInt64), torch::zeros({1, 1})), c10::Error);
}

}  // namespace
}  // namespace bitmar
