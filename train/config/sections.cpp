#include "config/sections.h"

#include <algorithm>
#include <cmath>

namespace bitmar {
namespace {

void report(TomlReader& table, const Validity& status) {
  if (!status) table.fail_at(status.error().key, status.error().message);
}

Result<QueryKind> parse_query(std::string_view word) {
  if (word == "mean") return QueryKind::kMean;
  if (word == "exponential") return QueryKind::kExponential;
  return fail(ErrorCode::kInvalidArgument, "'{}' is neither mean nor exponential", word);
}

Result<InjectionKind> parse_injection(std::string_view word) {
  if (word == "add") return InjectionKind::kAdd;
  if (word == "concatenate") return InjectionKind::kConcatenate;
  return fail(ErrorCode::kInvalidArgument, "'{}' is neither add nor concatenate", word);
}

Result<SourceKind> parse_source_kind(std::string_view word) {
  if (word == "captions") return SourceKind::kCaptions;
  if (word == "text") return SourceKind::kText;
  return fail(ErrorCode::kInvalidArgument, "'{}' is neither captions nor text", word);
}

Result<MixtureUnit> parse_mixture_unit(std::string_view word) {
  if (word == "batches") return MixtureUnit::kBatches;
  if (word == "rows") return MixtureUnit::kRows;
  if (word == "tokens") return MixtureUnit::kTokens;
  return fail(ErrorCode::kInvalidArgument, "'{}' is none of batches, rows, tokens", word);
}

Result<StatePrecision> parse_state_precision(std::string_view word) {
  if (word == "8bit") return StatePrecision::kBlockwise8;
  if (word == "32bit") return StatePrecision::kFloat32;
  return fail(ErrorCode::kInvalidArgument, "'{}' is neither 8bit nor 32bit", word);
}

SourceSettings read_source(TomlReader table) {
  SourceSettings source;
  for (const char* key : {"name", "kind", "path"}) table.require(key);
  table.read("name", source.name);
  table.read_word("kind", source.kind, parse_source_kind);
  table.read("path", source.path);
  if (source.kind == SourceKind::kCaptions) {
    table.read_word("format", source.format, parse_caption_format);
    table.read("images", source.images);
    table.read("exclude", source.exclude);
    table.read("detokenise", source.caption_text.detokenise);
    table.read("final_stop", source.caption_text.final_stop);
  } else {
    table.read_word("documents", source.documents, parse_document_layout);
    table.read("max_words", source.max_words);
    table.read("holdout_tokens", source.holdout_tokens);
  }
  return source;
}

StreamSettings read_stream(TomlReader table) {
  StreamSettings stream;
  for (const char* key : {"name", "sources"}) table.require(key);
  table.read("name", stream.name);
  table.read("sources", stream.sources);
  table.read("features", stream.features);
  table.read("weight", stream.weight);
  table.read("rows", stream.rows);
  table.read("segments", stream.segments);
  table.read("length", stream.length);
  table.read("contrast", stream.contrast);
  table.read("samples", stream.samples);
  return stream;
}

}  // namespace

void read_model_section(TomlReader table, ModelConfig& config) {
  table.read_word("preset", config, preset);
  table.read("vocabulary", config.vocabulary);
  table.read("width", config.width);
  table.read("heads", config.heads);
  table.read("ffn_hidden", config.ffn_hidden);
  table.read("encoder_layers", config.encoder_layers);
  table.read("decoder_layers", config.decoder_layers);
  table.read("sink_tokens", config.sink_tokens);
  table.read("window_tokens", config.window_tokens);
  table.read("training_length", config.training_length);
  table.read("rope_base", config.rope_base);
  table.read("norm_epsilon", config.norm_epsilon);
  table.read("vision_width", config.vision_width);
  table.read("compression_hidden", config.compression_hidden);
  table.read("memory_slots", config.memory_slots);
  table.read("memory_write_rate", config.memory_write_rate);
  table.read("memory_write_slots", config.memory_write_slots);
  table.read("memory_usage_decay", config.memory_usage_decay);
  table.read("memory_usage_floor", config.memory_usage_floor);
  table.read("memory_usage_penalty", config.memory_usage_penalty);
  table.read_word("query", config.query, parse_query);
  table.read_word("injection", config.injection, parse_injection);
  table.read("memory", config.memory);
  table.read_word("tower", config.tower, [](const std::string& name) -> Result<std::optional<VisionTowerConfig>> {
    if (name == "none") return std::nullopt;
    BITMAR_TRY(VisionTowerConfig tower, tower_preset(name));
    return tower;
  });
  report(table, config.validate());
}

Result<ModelConfig> read_model_config(const std::string& text, const std::string& name) {
  BITMAR_TRY(const TomlDocument document, TomlDocument::parse(text, name, {}));
  ModelConfig config;
  read_model_section(document.root().table("model"), config);
  BITMAR_TRY_VOID(
      document.finish({"data", "optimizer", "schedule", "controller", "objective", "train", "distill", "augment"}));
  return config;
}

void read_data_section(TomlReader table, DataSettings& settings) {
  table.read("root", settings.root);
  table.read("shards", settings.shards);
  table.read("merges", settings.merges);
  table.read("seed", settings.seed);
  table.read_word("mixture_unit", settings.mixture_unit, parse_mixture_unit);
  table.read("bucket_batches", settings.bucket_batches);
  table.read("prefetch", settings.prefetch);
  for (TomlReader& entry : table.tables("source")) settings.sources.push_back(read_source(entry));
  for (TomlReader& entry : table.tables("train")) settings.train.push_back(read_stream(entry));
  for (TomlReader& entry : table.tables("validation")) settings.validation.push_back(read_stream(entry));
  report(table, settings.validate());
}

void read_optimizer_section(TomlReader table, OptimizerSettings& settings) {
  table.read("beta1", settings.adamw.beta1);
  table.read("beta2", settings.adamw.beta2);
  table.read("epsilon", settings.adamw.epsilon);
  table.read_not_negative("weight_decay", settings.adamw.weight_decay);
  table.read_word("state", settings.state, parse_state_precision);
  table.read_not_negative("clip_norm", settings.clip_norm);  // 0: no clipping
  const auto check = [&](const char* key, bool valid, const char* expected) {
    if (!valid) table.fail_at(key, expected);
  };
  check("beta1", settings.adamw.beta1 >= 0 && settings.adamw.beta1 < 1, "expected a number in [0, 1)");
  check("beta2", settings.adamw.beta2 >= 0 && settings.adamw.beta2 < 1, "expected a number in [0, 1)");
  check("epsilon", settings.adamw.epsilon > 0 && std::isfinite(settings.adamw.epsilon), "expected a number > 0");
}

void read_schedule_section(TomlReader table, ScheduleSettings& settings) {
  table.read_word("kind", settings.kind, parse_schedule_kind);
  table.read("peak", settings.peak);
  table.read("floor_ratio", settings.floor_ratio);
  table.read("warmup_steps", settings.warmup_steps);
  table.read("total_steps", settings.total_steps);
  table.read("restart_period", settings.restart_period);
  table.read("restart_multiplier", settings.restart_multiplier);
  report(table, settings.validate());
}

void read_controller_section(TomlReader table, ControllerSettings& settings) {
  table.read("enabled", settings.enabled);
  table.read("average_steps", settings.average_steps);
  table.read("drop", settings.drop);
  table.read("recent_steps", settings.recent_steps);
  table.read("cooldown_steps", settings.cooldown_steps);
  table.read("duration_steps", settings.duration_steps);
  table.read("contrast_factor", settings.contrast_factor);
  table.read("seed", settings.seed);
  std::vector<std::string> words;
  if (table.contains("choices")) settings.choices.clear();
  table.read("choices", words);
  for (const std::string& word : words) {
    if (const auto choice = parse_intervention(word)) {
      settings.choices.push_back(*choice);
    } else {
      table.fail_at("choices", choice.error().message);
    }
  }
  report(table, settings.validate());
}

}  // namespace bitmar
