#include "config/sections.h"

#include <gmock/gmock.h>

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Settings, typename Read>
Result<Settings> read(std::string_view text, Read read_section, const std::vector<std::string>& overrides = {}) {
  BITMAR_TRY(const TomlDocument document, TomlDocument::parse(text, "a.toml", overrides));
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

TEST(ConfigSections, ModelErrorsNameTheKey) {
  const auto message = [](std::string_view text) {
    return read<ModelConfig>(text, read_model_section).error().message;
  };
  EXPECT_EQ(message("preset = 'bitmar-14m'\nmemory = true\nwidth = 130\n"),
            "a.toml:3: key 'width': width (130) must be a multiple of heads (4)");
  EXPECT_THAT(message("\nencoder_layers = 0\n"), StartsWith("a.toml:2: key 'encoder_layers': "));
  EXPECT_THAT(message("width = 68\n"), StartsWith("a.toml:1: key 'width': width / heads (17) must"));
  EXPECT_THAT(message("tower = 'bitvit-tiny'\n\nvision_width = 768\n"), StartsWith("a.toml:3: key 'vision_width': "));
  EXPECT_THAT(message("memory_write_rate = 2\n"), StartsWith("a.toml:1: key 'memory_write_rate': "));
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
  EXPECT_EQ(message("[[train]]\nname = 'a'\nsources = ['b']\n"),
            "a.toml:3: key 'train.0.sources': data.train 'a'.sources: no [[data.source]] is named 'b'");

  const std::string sources = "[[source]]\nname = 'a'\nkind = 'text'\npath = 'x'\n";  // four lines
  const std::string stream = "name = 'a'\nsources = ['a']\n";
  EXPECT_THAT(message("seed = 2\nbucket_batches = 0\n"), StartsWith("a.toml:2: key 'bucket_batches': "));
  EXPECT_THAT(message(sources + "[[source]]\nname = 'b'\nkind = 'text'\npath = ''\n"),
              StartsWith("a.toml:8: key 'source.1.path': "));
  EXPECT_THAT(message(sources + "[[source]]\nname = 'a'\nkind = 'text'\npath = 'y'\n"),
              StartsWith("a.toml:6: key 'source.1.name': "));
  EXPECT_THAT(message(sources + "[[train]]\n" + stream + "[[train]]\nname = 'b'\nsources = ['a']\nrows = 0\n"),
              StartsWith("a.toml:11: key 'train.1.rows': data.train 'b'.rows is 0"));
  EXPECT_THAT(message(sources + "[[validation]]\n" + stream + "samples = 2\n"),
              StartsWith("a.toml:8: key 'validation.0.samples': "));
  EXPECT_EQ(message(sources + "[[train]]\n" + stream + "contrast = -1\n"),
            "a.toml:8: key 'train.0.contrast': data.train 'a'.contrast is -1, expected 0 or more");
  EXPECT_THAT(message(sources + "[[validation]]\n" + stream + "contrast = 0.5\n"),
              StartsWith("a.toml:8: key 'validation.0.contrast': "));
  EXPECT_THAT(message("[[train]]\nname = 'a'\nsources = []\n"), StartsWith("a.toml:3: key 'train.0.sources': "));
}

TEST(ConfigSections, AnOverriddenValueHasNoLine) {
  const auto message = [](const std::string& override) {
    return read<ScheduleSettings>("kind = 'constant'\npeak = 1.0\n", read_schedule_section, {override}).error().message;
  };
  EXPECT_EQ(message("peak=-1"), "a.toml: key 'peak': schedule.peak is -1, expected more than 0");
  EXPECT_EQ(message("floor_ratio=2"), "a.toml: key 'floor_ratio': schedule.floor_ratio is 2, expected 0 to 1");
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
  const auto schedule_message = [](std::string_view text) {
    return read<ScheduleSettings>(text, read_schedule_section).error().message;
  };
  EXPECT_THAT(schedule_message("kind = 'cosine'\npeak = -1\n"), StartsWith("a.toml:2: key 'peak': "));
  EXPECT_THAT(schedule_message("floor_ratio = 1.5\n"), StartsWith("a.toml:1: key 'floor_ratio': "));
  EXPECT_THAT(schedule_message("kind = 'cosine'\n\ntotal_steps = 100\n"), StartsWith("a.toml:3: key 'total_steps': "));
  EXPECT_THAT(schedule_message("kind = 'cosine'\n"), StartsWith("a.toml:1: key 'total_steps': "));
  EXPECT_THAT(schedule_message("restart_multiplier = 0\n"), StartsWith("a.toml:1: key 'restart_multiplier': "));
  const auto controller = read<ControllerSettings>("choices = ['freeze-memory']\n", read_controller_section);
  ASSERT_TRUE(controller);
  EXPECT_THAT(controller->choices, ElementsAre(Intervention::kFreezeMemory));
  const auto controller_message = [](std::string_view text) {
    return read<ControllerSettings>(text, read_controller_section).error().message;
  };
  EXPECT_THAT(controller_message("choices = ['panic']\n"), StartsWith("a.toml:1: key 'choices': "));
  EXPECT_THAT(controller_message("enabled = true\ndrop = -3\n"), StartsWith("a.toml:2: key 'drop': "));
  EXPECT_THAT(controller_message("duration_steps = 0\n"), StartsWith("a.toml:1: key 'duration_steps': "));
  EXPECT_THAT(controller_message("seed = 1\ncontrast_factor = 0\n"), StartsWith("a.toml:2: key 'contrast_factor': "));
}

}  // namespace
}  // namespace bitmar
