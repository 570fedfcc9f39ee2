#include "pretrain/settings.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace bitmar {
namespace {

using ::testing::StartsWith;

std::string message(const std::vector<std::string>& overrides) {
  const auto document = TomlDocument::parse("[train]\nrun = \"r\"\n", "a.toml", overrides).value();
  const auto settings = read_pretrain_settings(document);
  return settings ? "" : settings.error().message;
}

TEST(PretrainSettings, RefusesRatesThatAreNegative) {
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({"train.scale_learning_rate=0"}), "");
  EXPECT_THAT(message({"train.scale_learning_rate=-1"}), StartsWith("a.toml: key 'train.scale_learning_rate': "));
  EXPECT_THAT(message({"train.sharpness_learning_rate=-1"}),
              StartsWith("a.toml: key 'train.sharpness_learning_rate': "));
}

TEST(PretrainSettings, RefusesWhatIsNoFiniteNumber) {
  for (const std::string key :
       {"objective.contrast", "objective.memory", "objective.reward", "train.minutes", "train.scale_learning_rate",
        "train.sharpness_learning_rate", "optimizer.weight_decay", "optimizer.clip_norm"}) {
    for (const std::string value : {"nan", "inf", "-1.0"}) {
      EXPECT_EQ(message({key + "=" + value}), "a.toml: key '" + key + "': expected a number >= 0") << value;
    }
  }
  EXPECT_THAT(message({"controller.contrast_factor=inf"}), StartsWith("a.toml: key 'controller.contrast_factor': "));
}

TEST(PretrainSettings, RefusesAControllerWithoutChoices) {
  EXPECT_THAT(message({"controller.choices=[]"}), StartsWith("a.toml: key 'controller.choices': "));
  EXPECT_EQ(message({"controller.choices=[]", "controller.enabled=false"}), "");
}

TEST(PretrainSettings, RefusesHalfPrecisionOnACpu) {
  EXPECT_THAT(message({"train.autocast=fp16"}), StartsWith("a.toml: key 'train.autocast': is fp16"));
  EXPECT_THAT(message({"train.autocast=fp16", "train.device=cpu:0"}),
              StartsWith("a.toml: key 'train.autocast': is fp16"));
  EXPECT_EQ(message({"train.autocast=fp16", "train.device=cuda"}), "");
  EXPECT_EQ(message({"train.autocast=bf16"}), "");
}

TEST(PretrainSettings, ErrorsNameTableAndKey) {
  EXPECT_THAT(message({"schedule.peak=-1"}), StartsWith("a.toml: key 'schedule.peak': "));
  EXPECT_THAT(message({"model.width=130"}), StartsWith("a.toml: key 'model.width': "));
  EXPECT_THAT(message({"controller.drop=-3"}), StartsWith("a.toml: key 'controller.drop': "));
  EXPECT_THAT(message({"data.bucket_batches=0"}), StartsWith("a.toml: key 'data.bucket_batches': "));
}

}  // namespace
}  // namespace bitmar
