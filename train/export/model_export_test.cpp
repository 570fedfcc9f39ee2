#include "export/model_export.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "io/gguf.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_codec.h"
#include "model/schema/tensor_table.h"
#include "nn/fused_ops.h"
#include "nn/testing.h"
#include "text/tokenizer.h"

namespace bitmar {
namespace {

class ModelExportTest : public ::testing::Test {
 protected:
  ModelExportTest() : model_(nullptr) {
    folder_ = std::filesystem::temp_directory_path() /
              ("bitmar_export_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_);
    merges_ = (folder_ / "merges.txt").string();
    std::ofstream(merges_) << "#version: 0.2\nt h\nth e\n";
    ModelConfig config = testing_nn::small_config();
    config.vocabulary = 259;  // 256 bytes, two merges, end of text
    torch::manual_seed(21);
    model_ = BitmarModel(config, 0.0);
    // As after training: scales that are not the mean any more, gates that are open, a used memory.
    const torch::NoGradGuard no_grad;
    for (auto& item : model_->named_parameters()) {
      if (item.key().ends_with(".scale")) item.value().mul_(1.3);
      if (item.key().ends_with("memory_gate")) item.value().fill_(0.4);
    }
    for (auto& item : model_->named_buffers()) {
      if (item.key() == "memory.usage") item.value().uniform_(0.0, 1.0);
    }
    model_->eval();
    path_ = (folder_ / "model.gguf").string();
  }
  ~ModelExportTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::string merges_, path_;
  BitmarModel model_;
};

TEST_F(ModelExportTest, TheFileHoldsTheTrainersCodes) {
  ASSERT_TRUE(export_model(model_, {.tower = {}, .merges = merges_, .metadata = {{"general.name", "small"}}}, path_));
  const auto file = GgufFile::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  const auto config = read_config(*file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(*config, model_->config());
  EXPECT_EQ(file->value<std::string>("general.name"), "small");
  const auto decoder = TensorDecoder::open(*file);
  ASSERT_TRUE(decoder) << decoder.error().message;
  const auto table = tensor_table(*config);
  const auto complete = decoder->check_complete(table);
  EXPECT_TRUE(complete) << complete.error().message;

  for (const auto& [name, layer] : model_->ternary_layers()) {
    const TensorSpec spec{
        name + ".weight",
        {static_cast<std::uint64_t>(layer->weight.size(0)), static_cast<std::uint64_t>(layer->weight.size(1))},
        TensorKind::kTernary};
    const auto matrix = decoder->ternary(spec);
    ASSERT_TRUE(matrix) << matrix.error().message;
    EXPECT_EQ(matrix->scale, layer->scale.item<float>());
    const auto effective = layer->effective_weight().detach().reshape(-1).contiguous();
    for (std::size_t i = 0; i < matrix->codes.size(); ++i) {
      ASSERT_EQ(static_cast<float>(matrix->codes[i]) * matrix->scale, effective.const_data_ptr<float>()[i]) << name;
    }
  }
}

TEST_F(ModelExportTest, TheLoadedModelComputesTheSame) {
  ASSERT_TRUE(export_model(model_, {.tower = {}, .merges = merges_, .metadata = {}}, path_));
  auto loaded = load_exported_model(path_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const torch::NoGradGuard no_grad;
  for (const auto& [name, layer] : model_->ternary_layers()) {
    for (const auto& [other_name, other] : (*loaded)->ternary_layers()) {
      if (other_name == name) {
        EXPECT_TRUE(torch::equal(other->effective_weight(), layer->effective_weight())) << name;
      }
    }
  }
  const auto tokens = torch::arange(259, torch::kLong);
  EXPECT_TRUE(torch::equal((*loaded)->embed(tokens), model_->embed(tokens)));

  // The rest of the file is F16. Exporting what was loaded gives the same file.
  const std::string again = (folder_ / "again.gguf").string();
  ASSERT_TRUE(export_model(*loaded, {.tower = {}, .merges = merges_, .metadata = {}}, again));
  std::ifstream first(path_, std::ios::binary);
  std::ifstream second(again, std::ios::binary);
  const std::string first_bytes((std::istreambuf_iterator<char>(first)), {});
  const std::string second_bytes((std::istreambuf_iterator<char>(second)), {});
  EXPECT_EQ(first_bytes, second_bytes);

  const ModelInput input = testing_nn::random_input(model_->config(), 2, 1, 6, true);
  const auto before = model_->forward(input, {}).hidden;
  const auto after = (*loaded)->forward(input, {}).hidden;
  // Norm gains, biases and memory slots lost 13 bits: a relative change of 2^-11 each, which may move single
  // activations to the neighbouring 8-bit code (1/127 of a token's largest value).
  EXPECT_LT((before - after).norm().item<double>() / before.norm().item<double>(), 0.05);
}

TEST_F(ModelExportTest, RefusesMergesOfAnotherVocabulary) {
  std::ofstream(merges_) << "#version: 0.2\nt h\n";
  const auto result = export_model(model_, {.tower = {}, .merges = merges_, .metadata = {}}, path_);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, ::testing::HasSubstr("258"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace bitmar
