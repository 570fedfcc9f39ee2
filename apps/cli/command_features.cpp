// bitmar features: photos to a memory-mapped .npy of patch features.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "commands.h"
#include "io/content_hash.h"
#include "io/mapped_file.h"
#include "kernels/kernels.h"
#include "progress.h"
#include "runtime/feature_extraction.h"
#include "runtime/photo_list.h"
#include "runtime/tower_file.h"

namespace bitmar::cli {
namespace {

struct FeaturesFlags {
  std::string tower;
  std::vector<std::string> inputs;
  std::string list;
  std::string root = ".";
  std::string output;
  std::string precision = "f16";
  bool pool = false;
  bool mirror = false;
  std::optional<std::uint32_t> view;
  bool overwrite = false;
  bool keep_going = false;
  std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  bool json = false;
};

void print_report(const FeaturesFlags& options, const FeatureReport& report, double seconds) {
  const std::uint64_t computed = report.shape.front() - report.resumed_from;
  if (options.json) {
    nlohmann::ordered_json json;
    json["output"] = options.output;
    json["shape"] = report.shape;
    json["type"] = options.precision;
    json["resumed_from"] = report.resumed_from;
    json["computed"] = computed;
    json["seconds"] = seconds;
    json["failed"] = report.failed;
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: [{}, {}, {}] {}, {} photos in {:.1f} s\n", options.output, report.shape[0], report.shape[1],
             report.shape[2], options.precision, computed, seconds);
}

Result<void> extract(const FeaturesFlags& options) {
  if (options.inputs.empty() == options.list.empty()) {
    return fail(ErrorCode::kInvalidArgument, "features: expected photos or folders, or --list, and not both");
  }
  std::vector<Photo> photos;
  if (options.list.empty()) {
    BITMAR_TRY(photos, find_photos(options.inputs));
  } else {
    BITMAR_TRY(photos, read_photo_list(options.list, options.root));
  }
  BITMAR_TRY(const Kernels* kernels, default_kernels());
  BITMAR_TRY(const VisionTower tower, load_tower_file(options.tower, *kernels));
  FeatureJob job;
  job.output = options.output;
  BITMAR_TRY(const MappedFile tower_bytes, MappedFile::open(options.tower));
  job.tower_hash = content_hash(tower_bytes.bytes());
  job.type = options.precision == "f16" ? DataType::kF16 : DataType::kF32;
  job.pool = options.pool;
  job.mirror = options.mirror;
  job.view_seed = options.view;
  job.overwrite = options.overwrite;
  job.keep_going = options.keep_going;

  ThreadPool pool(options.threads);
  Progress progress("photos", photos.size());
  const auto start = std::chrono::steady_clock::now();
  BITMAR_TRY(const FeatureReport report,
             extract_features(tower, photos, job, pool, [&](std::uint64_t done) { progress.update(done); }));
  progress.finish();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const std::string& name : report.failed) fmt::print(stderr, "bitmar: {}: unreadable, its row is zero\n", name);
  print_report(options, report, seconds.count());
  return {};
}

}  // namespace

void add_features_command(CLI::App& app, CommandAction& action) {
  auto options = std::make_shared<FeaturesFlags>();
  CLI::App* command = app.add_subcommand("features", "Compute patch features of photos into a .npy file");
  command->add_option("photos", options->inputs, "photos (JPEG, PNG, WebP) and folders of photos");
  command->add_option("--tower", options->tower, "a tower file (bitmar convert) or a model that has a tower")
      ->required();
  command->add_option("--list", options->list, "a text file that names one photo a line, instead of photos");
  command->add_option("--root", options->root, "the folder of the photos that --list names")->capture_default_str();
  command->add_option("-o,--output", options->output, "the .npy file to write: [photos, patches, width]")->required();
  command->add_flag("--pool", options->pool, "average 2x2 patches, as the model does (even grids only)");
  auto* mirror = command->add_flag("--mirror", options->mirror, "of the mirrored photos: a second view to train on");
  command
      ->add_option("--view", options->view,
                   "of a random view of each photo, by this seed: a crop of at least 60 %, mirrored or not")
      ->excludes(mirror);
  command->add_option("--precision", options->precision, "of the file: f16 or f32")
      ->check(CLI::IsMember({"f16", "f32"}))
      ->capture_default_str();
  command->add_option("-t,--threads", options->threads, "photos at a time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--overwrite", options->overwrite, "begin anew instead of resuming");
  command->add_flag("--keep-going", options->keep_going, "write zeros for a photo that cannot be read");
  command->add_flag("--json", options->json, "print the result as JSON");
  command->footer(
      "The photos' names, in row order, stand in OUTPUT.txt. A run that was interrupted goes on where it stopped when\n"
      "the same command is given again.\n"
      "Examples:\n"
      "  bitmar features --tower vit-tiny.gguf photos/ -o features.npy --pool\n"
      "  bitmar features --tower dinov2-base.gguf --list train.txt --root images -o features.npy -t 8");
  command->callback([options, &action] { action = [options] { return extract(*options); }; });
}

}  // namespace bitmar::cli
