#include "config/sections.h"

#include <gmock/gmock.h>

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Settings, typename Read>
Result<Settings> read(std::string_view text, Read read_section) {
  BITMAR_TRY(const TomlDocument document, TomlDocument::parse(text, "a.toml", {}));
  Settings settings;
  read_section(document.root(), settings);
  BITMAR_TRY_VOID(document.finish());
  return settings;
}

TEST(ConfigSections, ModelPresetWithSingleKeysOverIt) {
  const auto config =
      read<ModelConfig>("preset = 'bitmar-14m-bitvit'\nmemory = false\nquery = 'exponential'\n", read_model_section);
  ASSERT_TRUE(config) << config.error().message;
  ModelConfig expected = bitmar_14m_bitvit();
  expected.memory = false;
  expected.query = QueryKind::kExponential;
  EXPECT_EQ(*config, expected);
  const auto towerless = read<ModelConfig>("preset = 'bitmar-14m-bitvit'\ntower = 'none'\n", read_model_section);
  ASSERT_TRUE(towerless);
  EXPECT_FALSE(towerless->tower);
  EXPECT_THAT(read<ModelConfig>("preset = 'bitmar-7b'", read_model_section).error().message,
              StartsWith("a.toml:1: key 'preset'"));
  EXPECT_THAT(read<ModelConfig>("width = 130", read_model_section).error().message, HasSubstr("heads"));
  EXPECT_EQ(read<ModelConfig>("widht = 128", read_model_section).error().message, "a.toml:1: key 'widht' is unknown");
}

TEST(ConfigSections, DataWithSourcesAndStreams) {
  const auto settings = read<DataSettings>(R"(
root = "corpora"
mixture_unit = "tokens"
[[source]]
name = "flickr"
kind = "captions"
format = "flickr-token"
path = "tokens.txt"
images = "train.txt"
final_stop = false
[[source]]
name = "wiki"
kind = "text"
path = "wiki.train"
documents = "blank-lines"
max_words = 1000
holdout_tokens = 50
[[train]]
name = "photos"
sources = ["flickr"]
features = ["f.npy"]
weight = 0.5
[[train]]
name = "words"
sources = ["wiki"]
rows = 8
segments = 3
length = 128
[[validation]]
name = "words"
sources = ["wiki"]
)",
                                           read_data_section);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->root, "corpora");
  EXPECT_EQ(settings->mixture_unit, MixtureUnit::kTokens);
  ASSERT_EQ(settings->sources.size(), 2u);
  EXPECT_EQ(settings->sources[0].format, CaptionFormat::kFlickrToken);
  EXPECT_EQ(settings->sources[0].images, "train.txt");
  EXPECT_FALSE(settings->sources[0].caption_text.final_stop);
  EXPECT_EQ(settings->sources[1].documents, DocumentLayout::kBlankLines);
  EXPECT_EQ(settings->sources[1].holdout_tokens, 50u);
  ASSERT_EQ(settings->train.size(), 2u);
  EXPECT_THAT(settings->train[0].features, ElementsAre("f.npy"));
  EXPECT_EQ(settings->train[1].length, 128u);
  EXPECT_EQ(settings->validation.size(), 1u);
}

TEST(ConfigSections, DataErrorsNameTheKey) {
  const auto message = [](std::string_view text) {
    return read<DataSettings>(text, read_data_section).error().message;
  };
  EXPECT_EQ(message("[[source]]\nname = 'a'\nkind = 'text'\n"), "a.toml:1: key 'source.0.path': is missing");
  EXPECT_EQ(message("[[source]]\nname = 'a'\nkind = 'text'\npath = 'x'\nformat = 'tsv'\n"),
            "a.toml:5: key 'source.0.format' is unknown");
  EXPECT_THAT(message("[[source]]\nname = 'a'\nkind = 'captions'\npath = 'x'\nformat = 'csv'\n"),
              StartsWith("a.toml:5: key 'source.0.format': unknown caption format 'csv'"));
  EXPECT_THAT(message("[[train]]\nname = 'a'\nsources = ['b']\n"), HasSubstr("no [[data.source]] is named 'b'"));
}

TEST(ConfigSections, OptimizerScheduleController) {
  const auto optimizer =
      read<OptimizerSettings>("beta2 = 0.99\nstate = '32bit'\nclip_norm = 0\n", read_optimizer_section);
  ASSERT_TRUE(optimizer);
  EXPECT_EQ(optimizer->adamw.beta2, 0.99);
  EXPECT_EQ(optimizer->state, StatePrecision::kFloat32);
  EXPECT_THAT(read<OptimizerSettings>("beta1 = 1.0", read_optimizer_section).error().message,
              StartsWith("a.toml:1: key 'beta1': expected"));
  const auto schedule =
      read<ScheduleSettings>("kind = 'cosine'\npeak = 1e-3\ntotal_steps = 500\n", read_schedule_section);
  ASSERT_TRUE(schedule);
  EXPECT_EQ(schedule->kind, ScheduleKind::kCosine);
  EXPECT_FALSE(read<ScheduleSettings>("kind = 'cosine'", read_schedule_section));
  const auto controller = read<ControllerSettings>("choices = ['freeze-memory']\n", read_controller_section);
  ASSERT_TRUE(controller);
  EXPECT_THAT(controller->choices, ElementsAre(Intervention::kFreezeMemory));
  EXPECT_FALSE(read<ControllerSettings>("choices = ['panic']\n", read_controller_section));
}

}  // namespace
}  // namespace bitmar
