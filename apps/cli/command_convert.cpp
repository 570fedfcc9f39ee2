// bitmar convert: a vision tower of another project to our file.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/schema/config_gguf.h"
#include "model/schema/tensor_table.h"
#include "runtime/tower_converter.h"

namespace bitmar::cli {
namespace {

struct ConvertFlags {
  std::string source;
  std::string input;
  std::string output;
  std::string precision = "float32";
  std::optional<std::uint32_t> image_size;
  std::optional<std::uint32_t> heads;
  std::string normalisation = "half";
  bool class_token = false;
  std::optional<std::string> name;
  bool json = false;
};

Result<void> convert(const ConvertFlags& options) {
  BITMAR_TRY(const SafeTensorsFile source, SafeTensorsFile::open(options.input));
  const TowerSource kind = options.source == "dinov2" ? TowerSource::kDinov2 : TowerSource::kTimm;
  ConvertOptions convert_options;
  convert_options.precision = options.precision == "int8" ? TowerPrecision::kInt8 : TowerPrecision::kFloat32;
  convert_options.image_size = options.image_size;
  convert_options.heads = options.heads;
  convert_options.imagenet_normalisation = options.normalisation == "imagenet";
  convert_options.class_feature = options.class_token;
  convert_options.name = options.name;
  GgufWriter writer(kTowerArchitecture);
  BITMAR_TRY(const VisionTowerConfig config, convert_tower(source, kind, convert_options, writer));
  const std::string output = options.output.empty() ? config.name + ".gguf" : options.output;
  BITMAR_TRY_VOID(writer.write(output));

  const std::uint64_t parameters = parameter_count(tower_tensor_table(config));
  const std::uint64_t bytes = std::filesystem::file_size(output);
  if (options.json) {
    nlohmann::ordered_json json;
    json["output"] = output;
    json["name"] = config.name;
    json["precision"] = options.precision;
    json["image_size"] = config.image_size;
    json["patch_size"] = config.patch_size;
    json["width"] = config.width;
    json["feature_width"] = config.feature_width();
    json["depth"] = config.depth;
    json["heads"] = config.heads;
    json["mlp"] = config.mlp == TowerMlp::kSwiGlu ? "swiglu" : "gelu";
    json["layer_scale"] = config.layer_scale;
    json["register_tokens"] = config.register_tokens;
    json["position_grid"] = config.position_grid;
    json["parameters"] = parameters;
    json["bytes"] = bytes;
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}: {}, {} blocks, width {}, {} heads, patch {}, image {}, {} registers, {} parameters, {:.1f} MB\n",
               output, config.name, config.depth, config.width, config.heads, config.patch_size, config.image_size,
               config.register_tokens, parameters, static_cast<double>(bytes) / 1e6);
  }
  return {};
}

}  // namespace

void add_convert_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<ConvertFlags>();
  CLI::App* command = app.add_subcommand("convert", "Convert DINOv2 or timm ViT weights to a vision tower file");
  command->add_option("source", options->source, "where the weights come from: dinov2 (Hugging Face) or timm")
      ->required()
      ->check(CLI::IsMember({"dinov2", "timm"}));
  command->add_option("input", options->input, "the safetensors file")->required();
  command->add_option("-o,--output", options->output, "the tower file to write (default: NAME.gguf, NAME the tower's)");
  command->add_option("--precision", options->precision, "of the projections: float32 or int8 (one scale a row)")
      ->check(CLI::IsMember({"float32", "int8"}))
      ->capture_default_str();
  command->add_option("--image-size", options->image_size, "side of the tower's input in pixels (default: dinov2 224)")
      ->check(CLI::PositiveNumber);
  command->add_option("--heads", options->heads, "attention heads (default: width / 64)")->check(CLI::PositiveNumber);
  command
      ->add_option("--normalisation", options->normalisation,
                   "timm only: half (mean and deviation 0.5, the AugReg weights) or imagenet")
      ->check(CLI::IsMember({"half", "imagenet"}))
      ->capture_default_str();
  command->add_flag("--class-token", options->class_token,
                    "its features: each patch's, followed by the class token's, twice as wide");
  command->add_option("--name", options->name, "the tower's name in the file");
  command->add_flag("--json", options->json, "print the result as JSON");
  command->footer(
      "Examples:\n"
      "  bitmar convert dinov2 model.safetensors\n"
      "  bitmar convert dinov2 model.safetensors -o dinov2-base-int8.gguf --precision int8\n"
      "  bitmar convert timm vit_tiny_patch16_224.safetensors -o vit-tiny.gguf");
  command->callback([options, &action] { action = [options] { return convert(*options); }; });
}

}  // namespace bitmar::cli
