#include "nn/bitmar_model.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>

#include "model/schema/tensor_table.h"
#include "nn/autocast.h"
#include "nn/testing.h"

namespace bitmar {
namespace {

using testing_nn::random_input;
using testing_nn::small_config;

TEST(BitmarModel, HasTheTensorsOfTheTable) {
  for (const bool memory : {true, false}) {
    for (const auto injection : {InjectionKind::kAdd, InjectionKind::kConcatenate}) {
      for (const auto query : {QueryKind::kMean, QueryKind::kExponential}) {
        ModelConfig config = small_config();
        config.memory = memory;
        config.injection = injection;
        config.query = query;
        BitmarModel model(config, 0.0);
        std::set<std::string> expected;
        for (const auto& spec : tensor_table(config)) {
          expected.insert(spec.name);
          if (spec.kind == TensorKind::kTernary) {
            expected.insert(spec.name.substr(0, spec.name.rfind('.')) + ".scale");
          }
        }
        std::set<std::string> actual;
        for (const auto& item : model->named_parameters()) actual.insert(item.key());
        for (const auto& item : model->named_buffers()) actual.insert(item.key());
        EXPECT_EQ(actual, expected);
      }
    }
  }
}

// The causality law of docs/model.md, bit for bit: a later token changes nothing at or before t, and nothing in earlier
// segments.
TEST(BitmarModel, LaterTokensChangeNothingBefore) {
  for (const bool memory : {true, false}) {
    for (const bool images : {true, false}) {
      for (const auto query : {QueryKind::kMean, QueryKind::kExponential}) {
        torch::manual_seed(3);
        ModelConfig config = small_config();
        config.memory = memory;
        config.query = query;
        BitmarModel model(config, 0.0);
        model->eval();
        const torch::NoGradGuard no_grad;
        for (auto& item : model->named_parameters()) {
          if (item.key().ends_with("memory_gate")) item.value().fill_(0.7);
        }
        ModelInput input = random_input(config, 3, 2, 7, images);
        const auto before = model->forward(input, {}).hidden;
        for (std::int64_t segment = 0; segment < 2; ++segment) {
          for (std::int64_t changed = 0; changed < 7; ++changed) {
            ModelInput other = input;
            other.tokens = input.tokens.clone();
            const auto token = other.tokens.select(1, segment).select(1, changed);
            token.copy_((token + 1).remainder(config.vocabulary));
            const auto after = model->forward(other, {}).hidden;
            EXPECT_TRUE(torch::equal(after.select(1, segment).narrow(1, 0, changed),
                                     before.select(1, segment).narrow(1, 0, changed)));
            EXPECT_FALSE(torch::equal(after.select(1, segment).select(1, changed),
                                      before.select(1, segment).select(1, changed)));
            if (segment == 1) {
              EXPECT_TRUE(torch::equal(after.select(1, 0), before.select(1, 0)));
            }
          }
        }
      }
    }
  }
}

TEST(BitmarModel, PaddingAndOtherRowsDoNotMatter) {
  torch::manual_seed(4);
  const ModelConfig config = small_config();
  BitmarModel model(config, 0.0);
  model->eval();
  const torch::NoGradGuard no_grad;
  ModelInput input = random_input(config, 2, 1, 6, true);
  input.image_of_row = torch::tensor({std::int64_t{0}, std::int64_t{-1}});
  input.mask.index_put_({0, 0, torch::indexing::Slice(4)}, false);
  const auto hidden = model->forward(input, {}).hidden;
  ModelInput padded = input;
  padded.tokens = input.tokens.clone();
  padded.tokens.index_put_({0, 0, torch::indexing::Slice(4)}, 5);
  EXPECT_TRUE(torch::equal(model->forward(padded, {}).hidden[0][0].narrow(0, 0, 4), hidden[0][0].narrow(0, 0, 4)));

  // A row without an image equals text alone: its photo columns are masked.
  ModelInput text = input;
  text.features = torch::Tensor();
  text.image_of_row = torch::full({2}, -1, torch::kLong);
  const auto alone = model->forward(text, {}).hidden;
  // The same sums in another order over 16 values: a few units of the last place, scaled by the norm's gain of 1.
  EXPECT_TRUE(torch::allclose(alone[1], hidden[1], 1e-4, 1e-4));
  EXPECT_FALSE(torch::allclose(alone[0], hidden[0], 1e-2, 1e-2));
}

TEST(BitmarModel, CheckpointingChangesNeitherOutputNorGradients) {
  torch::manual_seed(5);
  const ModelConfig config = small_config();
  BitmarModel model(config, 0.0);
  const ModelInput input = random_input(config, 2, 2, 5, true);
  const auto run = [&](bool checkpoint) {
    model->zero_grad();
    const ModelOutput output = model->forward(input, {.checkpoint_activations = checkpoint, .maps = nullptr});
    (output.hidden.square().sum() + output.memory.consistency).backward();
    std::vector<torch::Tensor> result{output.hidden.detach()};
    for (const auto& item : model->named_parameters()) {
      const auto gradient = item.value().grad();
      result.push_back(gradient.defined() ? gradient.to_dense().clone() : torch::zeros_like(item.value()));
    }
    return result;
  };
  const auto plain = run(false);
  const auto checkpointed = run(true);
  ASSERT_EQ(plain.size(), checkpointed.size());
  EXPECT_TRUE(torch::equal(plain[0], checkpointed[0]));
  // A gradient that several layers contribute to may add them in another order: a few roundings of FP32.
  for (std::size_t i = 1; i < plain.size(); ++i) {
    const auto difference = (plain[i] - checkpointed[i]).norm().item<double>();
    EXPECT_LE(difference, 4 * 0x1p-24 * plain[i].norm().item<double>()) << i;
  }
}

// One layer a stack: every gradient but the embedding's then has at most two contributions, whose sum does not depend
// on their order.
TEST(BitmarModel, CheckpointingComputesAgainUnderTheSameAutocast) {
  torch::manual_seed(7);
  ModelConfig config = small_config();
  config.encoder_layers = config.decoder_layers = 1;
  BitmarModel model(config, 0.0);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      if (item.key().ends_with("memory_gate")) item.value().fill_(0.5);
    }
  }
  const ModelInput input = random_input(config, 2, 2, 5, true);
  const auto run = [&](bool checkpoint, Autocast mode) {
    model->zero_grad();
    torch::Tensor loss;
    {
      const AutocastScope autocast(mode, torch::kCPU);
      const ModelOutput output = model->forward(input, {.checkpoint_activations = checkpoint, .maps = nullptr});
      loss = output.hidden.square().sum() + output.memory.consistency;
    }
    loss.backward();
    std::map<std::string, torch::Tensor> gradients;
    for (const auto& item : model->named_parameters()) {
      if (item.value().grad().defined()) gradients[item.key()] = item.value().grad().to_dense().clone();
    }
    return gradients;
  };
  const auto plain = run(false, Autocast::kBFloat16);
  const auto checkpointed = run(true, Autocast::kBFloat16);
  const auto in_float = run(false, Autocast::kOff);
  ASSERT_EQ(plain.size(), checkpointed.size());
  for (const auto& [name, gradient] : plain) {
    if (name == "token_embedding.weight") {
      const auto difference = (gradient - checkpointed.at(name)).norm().item<double>();
      EXPECT_LE(difference, 4 * 0x1p-24 * gradient.norm().item<double>());
    } else {
      EXPECT_TRUE(torch::equal(gradient, checkpointed.at(name))) << name;
    }
  }
  const std::string weight = "decoder.0.attention.value.weight";
  EXPECT_FALSE(torch::equal(plain.at(weight), in_float.at(weight)));
}

TEST(BitmarModel, PoolsSquareGridsOfEvenSideOnly) {
  const auto grid = torch::arange(16, torch::kFloat32).view({1, 16, 1});
  const auto pooled = pool_features(grid);
  EXPECT_TRUE(torch::equal(pooled.view({-1}), torch::tensor({2.5f, 4.5f, 10.5f, 12.5f})));
  for (const std::int64_t patches : {1, 9, 49, 8}) {
    const auto features = torch::randn({2, patches, 3});
    EXPECT_TRUE(torch::equal(pool_features(features), features)) << patches;
  }
}

TEST(BitmarModel, EveryParameterLearns) {
  torch::manual_seed(6);
  const ModelConfig config = small_config();
  BitmarModel model(config, 0.0);
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      if (item.key().ends_with("memory_gate")) item.value().fill_(0.5);
    }
  }
  const ModelOutput output = model->forward(random_input(config, 2, 2, 5, true), {});
  const auto logits = model->output()->forward(output.hidden);
  (logits.square().sum() + output.memory.consistency).backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().to_dense().abs().sum().item<double>(), 0.0) << item.key();
  }
}

}  // namespace
}  // namespace bitmar
