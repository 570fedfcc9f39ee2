#include "nn/vision_transformer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "model/schema/tensor_table.h"
#include "nn/fused_ops.h"
#include "nn/testing.h"
#include "nn/vision_transformer_weights.h"

namespace bitmar {
namespace {

using testing_nn::relative_error;

VisionTowerConfig tiny(TowerPrecision precision = TowerPrecision::kFloat32) {
  VisionTowerConfig config;
  config.name = "tiny";
  config.image_size = 16;
  config.patch_size = 4;
  config.position_grid = 4;
  config.width = 12;
  config.depth = 2;
  config.heads = 3;
  config.mlp_hidden = 20;
  config.precision = precision;
  return config;
}

torch::Tensor norm_of(const torch::Tensor& x, const torch::nn::LayerNorm& norm, double epsilon) {
  const torch::Tensor mean = x.mean(-1, true);
  const torch::Tensor variance = (x - mean).square().mean(-1, true);
  return (x - mean) / (variance + epsilon).sqrt() * norm->weight + norm->bias;
}

// A ViT written out operation by operation, with explicit softmax.
torch::Tensor plain_tower(VisionTransformerImpl& tower, const torch::Tensor& images) {
  const VisionTowerConfig& config = tower.config();
  const std::int64_t width = config.width;
  const std::int64_t heads = config.heads;
  const bool ternary = config.precision == TowerPrecision::kTernary;
  const auto linear = [&](const torch::Tensor& x, const BitLinear& layer) {
    const torch::Tensor input = ternary ? fake_quantize_activations(x) : x;
    return torch::matmul(input, layer->effective_weight().t()) + layer->bias;
  };
  const torch::Tensor kernel =
      ternary ? fake_quantize_int8_rows(tower.patch_embedding->weight) : tower.patch_embedding->weight;
  const std::int64_t patch = config.patch_size;
  torch::Tensor x = torch::conv2d(images, kernel.view({width, 3, patch, patch}), tower.patch_embedding->bias, patch)
                        .flatten(2)
                        .transpose(1, 2);
  x = torch::cat({tower.class_token.expand({images.size(0), 1, width}), x}, 1) + tower.position_embedding;
  for (auto& block : tower.blocks) {
    const torch::Tensor n = norm_of(x, block->attention_norm, config.norm_epsilon);
    const auto split = [&](const BitLinear& layer) {
      return linear(n, layer).view({x.size(0), x.size(1), heads, width / heads}).transpose(1, 2);
    };
    const torch::Tensor q = split(block->attention->query);
    const torch::Tensor k = split(block->attention->key);
    const torch::Tensor v = split(block->attention->value);
    const double scale = 1.0 / std::sqrt(static_cast<double>(width / heads));
    const torch::Tensor weights = torch::softmax(torch::matmul(q, k.transpose(2, 3)) * scale, -1);
    x = x + linear(torch::matmul(weights, v).transpose(1, 2).reshape({x.size(0), x.size(1), width}),
                   block->attention->output);
    const torch::Tensor m = norm_of(x, block->mlp_norm, config.norm_epsilon);
    const torch::Tensor hidden = linear(m, block->mlp->up);
    x = x + linear(0.5 * hidden * (1 + torch::erf(hidden / std::sqrt(2.0))), block->mlp->down);
  }
  x = norm_of(x, tower.norm, config.norm_epsilon);
  const torch::Tensor patches = x.slice(1, 1);
  return config.class_feature ? torch::cat({patches, x.slice(1, 0, 1).expand_as(patches)}, -1) : patches;
}

TEST(VisionTransformer, FloatTowerEqualsTheWrittenOutViT) {
  torch::manual_seed(1);
  VisionTransformer tower(tiny());
  const torch::Tensor images = torch::randn({2, 3, 16, 16});
  const torch::Tensor features = tower(images);
  EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{2, 16, 12}));
  EXPECT_LT(relative_error(features, plain_tower(*tower, images)), 1e-5);
}

TEST(VisionTransformer, TheClassTokenFollowsEachPatch) {
  torch::manual_seed(4);
  VisionTowerConfig config = tiny();
  config.class_feature = true;
  VisionTransformer tower(config);
  const torch::Tensor images = torch::randn({2, 3, 16, 16});
  const torch::Tensor features = tower(images);
  EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{2, 16, 24}));
  EXPECT_LT(relative_error(features, plain_tower(*tower, images)), 1e-5);
  EXPECT_EQ(pool_patches(features).sizes(), (std::vector<std::int64_t>{2, 4, 24}));
}

// The two sum in different orders, so single activation codes may fall on the other side of a rounding: each such step
// is one of 127. Most codes must agree for the error to stay well under a step of every value.
TEST(VisionTransformer, TernaryTowerEqualsTheWrittenOutViT) {
  torch::manual_seed(2);
  VisionTransformer tower(tiny(TowerPrecision::kTernary));
  const torch::Tensor images = torch::randn({2, 3, 16, 16});
  EXPECT_LT(relative_error(tower(images), plain_tower(*tower, images)), 1.0 / 127);
}

TEST(VisionTransformer, GradientsEqualThoseOfTheWrittenOutViT) {
  torch::manual_seed(3);
  VisionTransformer tower(tiny());
  const torch::Tensor images = torch::randn({2, 3, 16, 16});
  const torch::Tensor direction = torch::randn({2, 16, 12});
  std::map<std::string, torch::Tensor> gradients;
  (tower(images) * direction).sum().backward();
  for (auto& parameter : tower->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    gradients[parameter.key()] = parameter.value().grad().clone();
  }
  double largest = 0.0;
  for (const auto& [name, gradient] : gradients) largest = std::max(largest, gradient.norm().item<double>());
  tower->zero_grad();
  (plain_tower(*tower, images) * direction).sum().backward();
  for (auto& parameter : tower->named_parameters()) {
    // A bias of the keys shifts all scores of a query alike: its gradient is zero but for the rounding of terms that
    // are as large as the others'.
    const double norm = std::max(parameter.value().grad().norm().item<double>(), 1e-2 * largest);
    const double difference = (parameter.value().grad() - gradients[parameter.key()]).norm().item<double>();
    EXPECT_LT(difference / norm, 1e-4) << parameter.key();
  }
}

TEST(VisionTransformer, ParametersAreThoseOfTheTensorTable) {
  for (const bool full : {false, true}) {
    VisionTowerConfig config = tiny(TowerPrecision::kTernary);
    config.layer_scale = full;
    config.register_tokens = full ? 4 : 0;
    config.mlp = full ? TowerMlp::kSwiGlu : TowerMlp::kGelu;
    VisionTransformer tower(config);
    std::set<std::string> expected;
    for (const auto& spec : tower_tensor_table(config)) {
      expected.insert(spec.name);
      const torch::Tensor* found = tower->named_parameters().find(spec.name.substr(std::strlen("vision_tower.")));
      ASSERT_NE(found, nullptr) << spec.name;
      EXPECT_EQ(found->sizes().vec(), std::vector<std::int64_t>(spec.shape.begin(), spec.shape.end())) << spec.name;
    }
    std::set<std::string> present;
    for (const auto& parameter : tower->named_parameters()) {
      if (!parameter.key().ends_with(".scale")) present.insert("vision_tower." + parameter.key());
    }
    EXPECT_EQ(present, expected);
    const torch::Tensor features = tower(torch::randn({1, 3, 16, 16}));
    EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{1, 16, 12}));
    EXPECT_TRUE(features.isfinite().all().item<bool>());
  }
}

TEST(VisionTransformer, InterpolatesPositionsToAnotherGrid) {
  torch::manual_seed(4);
  VisionTowerConfig config = tiny();
  config.image_size = 24;
  VisionTransformer tower(config);
  {
    // A position embedding that is one constant stays that constant on every grid.
    const torch::NoGradGuard no_gradient;
    tower->position_embedding.fill_(0.25f);
  }
  VisionTowerConfig same_config = config;
  same_config.position_grid = 6;
  VisionTransformer same(same_config);
  {
    const torch::NoGradGuard no_gradient;
    for (auto& parameter : same->named_parameters()) {
      if (parameter.key() != "position_embedding") parameter.value().copy_(tower->named_parameters()[parameter.key()]);
    }
    same->position_embedding.fill_(0.25f);
  }
  const torch::Tensor images = torch::randn({1, 3, 24, 24});
  EXPECT_LT(relative_error(tower(images), same(images)), 1e-5);
}

TEST(VisionTransformer, RefusesWhatItCannotTrain) {
  EXPECT_THROW(VisionTransformer(tiny(TowerPrecision::kInt8)), std::invalid_argument);
  VisionTowerConfig uneven = tiny();
  uneven.heads = 5;
  EXPECT_THROW(VisionTransformer{uneven}, std::invalid_argument);
  VisionTransformer tower(tiny());
  EXPECT_THROW(tower(torch::randn({1, 3, 8, 8})), c10::Error);
}

TEST(PoolPatches, AveragesTwoByTwo) {
  const torch::Tensor features = torch::arange(16, torch::kFloat).view({1, 16, 1});
  EXPECT_TRUE(torch::equal(pool_patches(features), torch::tensor({2.5f, 4.5f, 10.5f, 12.5f}).view({1, 4, 1})));
  EXPECT_THROW(pool_patches(torch::randn({1, 9, 2})), c10::Error);
  EXPECT_THROW(pool_patches(torch::randn({1, 8, 2})), c10::Error);
}

// The names and stackings of timm, written from a tower and read into another.
class TimmFile {
 public:
  explicit TimmFile(VisionTransformerImpl& tower) {
    add("patch_embed.proj.weight", tower.patch_embedding->weight, {12, 3, 4, 4});
    add("patch_embed.proj.bias", tower.patch_embedding->bias, {12});
    add("cls_token", tower.class_token, {1, 1, 12});
    add("pos_embed", tower.position_embedding, {1, 17, 12});
    for (std::size_t layer = 0; layer < tower.blocks.size(); ++layer) {
      auto& block = *tower.blocks[layer];
      auto& attention = *block.attention;
      const std::string prefix = "blocks." + std::to_string(layer) + ".";
      add(prefix + "norm1.weight", block.attention_norm->weight, {12});
      add(prefix + "norm1.bias", block.attention_norm->bias, {12});
      add(prefix + "attn.qkv.weight",
          torch::cat({attention.query->weight, attention.key->weight, attention.value->weight}), {36, 12});
      add(prefix + "attn.qkv.bias", torch::cat({attention.query->bias, attention.key->bias, attention.value->bias}),
          {36});
      add(prefix + "attn.proj.weight", attention.output->weight, {12, 12});
      add(prefix + "attn.proj.bias", attention.output->bias, {12});
      add(prefix + "norm2.weight", block.mlp_norm->weight, {12});
      add(prefix + "norm2.bias", block.mlp_norm->bias, {12});
      add(prefix + "mlp.fc1.weight", block.mlp->up->weight, {20, 12});
      add(prefix + "mlp.fc1.bias", block.mlp->up->bias, {20});
      add(prefix + "mlp.fc2.weight", block.mlp->down->weight, {12, 20});
      add(prefix + "mlp.fc2.bias", block.mlp->down->bias, {12});
    }
    add("norm.weight", tower.norm->weight, {12});
    add("norm.bias", tower.norm->bias, {12});
  }

  SafeTensorsFile write(const std::string& omitted = "") const {
    SafeTensorsWriter writer;
    for (const auto& [name, entry] : tensors_) {
      if (name == omitted) continue;
      writer.add_tensor(name, DataType::kF32, entry.shape,
                        {static_cast<const std::byte*>(entry.values.const_data_ptr()), entry.values.nbytes()});
    }
    const std::string path = (std::filesystem::path(testing::TempDir()) / "timm_tower.safetensors").string();
    EXPECT_TRUE(writer.write(path));
    return *SafeTensorsFile::open(path);
  }

 private:
  struct Entry {
    torch::Tensor values;
    std::vector<std::uint64_t> shape;
  };
  void add(const std::string& name, const torch::Tensor& values, std::vector<std::uint64_t> shape) {
    tensors_[name] = {values.detach().contiguous(), std::move(shape)};
  }
  std::map<std::string, Entry> tensors_;
};

TEST(TimmWeights, FillTheTower) {
  torch::manual_seed(5);
  VisionTransformer source(tiny());
  const TimmFile timm(*source);
  VisionTransformer loaded(tiny());
  ASSERT_TRUE(load_timm_weights(timm.write(), *loaded));
  const torch::Tensor images = torch::randn({2, 3, 16, 16});
  EXPECT_TRUE(torch::equal(source(images), loaded(images)));
}

TEST(TimmWeights, MissingTensorIsNamed) {
  VisionTransformer source(tiny());
  const auto result = load_timm_weights(TimmFile(*source).write("blocks.1.mlp.fc2.bias"), *source);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("blocks.1.mlp.fc2.bias"), std::string::npos) << result.error().message;
}

TEST(CopyTowerWeights, StartsTheStudentFromTheTeacher) {
  torch::manual_seed(6);
  VisionTransformer teacher(tiny());
  VisionTransformer student(tiny(TowerPrecision::kTernary));
  copy_tower_weights(*teacher, *student);
  const auto& taught = student->blocks[1]->mlp->up;
  EXPECT_TRUE(torch::equal(taught->weight, teacher->blocks[1]->mlp->up->weight));
  EXPECT_FLOAT_EQ(taught->scale.item<float>(), taught->weight.abs().mean().item<float>());
  EXPECT_GT(student->zero_fraction(), 0.1);
  EXPECT_EQ(teacher->zero_fraction(), 0.0);
}

}  // namespace
}  // namespace bitmar
