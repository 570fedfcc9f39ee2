#include "export/tower_export.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_table.h"

namespace bitmar {
namespace {

VisionTowerConfig tiny(TowerPrecision precision) {
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

std::string path_of(const char* name) {
  return (std::filesystem::path(testing::TempDir()) / name).string();
}

TEST(TowerExport, TernaryCodesAreThoseThatTrainingMultipliedWith) {
  torch::manual_seed(1);
  VisionTransformer tower(tiny(TowerPrecision::kTernary));
  const std::string path = path_of("tower_codes.gguf");
  const auto written = export_tower(*tower, {{"general.name", "Tiny"}}, path);
  ASSERT_TRUE(written) << written.error().message;

  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file->value<std::string>("general.architecture"), kTowerArchitecture);
  EXPECT_EQ(*file->value<std::string>("general.name"), "Tiny");
  EXPECT_EQ(*read_tower_config(*file), tower->config());
  const auto decoder = TensorDecoder::open(*file);
  ASSERT_TRUE(decoder) << decoder.error().message;
  const auto table = tower_tensor_table(tower->config());
  EXPECT_TRUE(decoder->check_complete(table));
  std::size_t matrices = 0;
  for (const auto& layer : tower->named_modules()) {
    const auto* linear = layer.value()->as<BitLinear>();
    if (linear == nullptr) continue;
    ++matrices;
    const TensorSpec spec{
        "vision_tower." + layer.key() + ".weight",
        {static_cast<std::uint64_t>(linear->weight.size(0)), static_cast<std::uint64_t>(linear->weight.size(1))},
        TensorKind::kTernary};
    const auto matrix = decoder->ternary(spec);
    ASSERT_TRUE(matrix) << matrix.error().message;
    EXPECT_EQ(matrix->scale, linear->scale.item<float>());
    const torch::Tensor multiplied = linear->effective_weight().detach().contiguous();
    const float* values = multiplied.const_data_ptr<float>();
    for (std::size_t i = 0; i < matrix->codes.size(); ++i) {
      ASSERT_EQ(static_cast<float>(matrix->codes[i]) * matrix->scale, values[i]) << spec.name << " " << i;
    }
  }
  EXPECT_EQ(matrices, 12u);
}

// Norms, biases and embeddings are rounded to F16 in the file, so the first reading changes the tower a little; from
// then on writing and reading changes nothing.
TEST(TowerExport, LoadedTowerIsAFixedPoint) {
  torch::manual_seed(2);
  for (const auto precision : {TowerPrecision::kTernary, TowerPrecision::kFloat32}) {
    VisionTransformer tower(tiny(precision));
    ASSERT_TRUE(export_tower(*tower, {}, path_of("tower_first.gguf")));
    auto first = load_exported_tower(path_of("tower_first.gguf"));
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(export_tower(**first, {}, path_of("tower_second.gguf")));
    auto second = load_exported_tower(path_of("tower_second.gguf"));
    ASSERT_TRUE(second) << second.error().message;
    const torch::NoGradGuard no_gradient;
    const torch::Tensor images = torch::randn({2, 3, 16, 16});
    EXPECT_TRUE(torch::equal((*first)(images), (*second)(images)));
    for (const auto& block : (*first)->blocks) {
      const std::size_t layer = static_cast<std::size_t>(&block - (*first)->blocks.data());
      EXPECT_TRUE(torch::equal(block->mlp->up->effective_weight(), tower->blocks[layer]->mlp->up->effective_weight()));
    }
    if (precision == TowerPrecision::kFloat32) {
      EXPECT_TRUE(torch::equal((*first)(images), tower(images)));
    }
  }
}

TEST(TowerExport, MissingFileIsAnError) {
  const auto tower = load_exported_tower(path_of("no_such_tower.gguf"));
  ASSERT_FALSE(tower);
  EXPECT_EQ(tower.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace bitmar
