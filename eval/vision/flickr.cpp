#include "eval/vision/flickr.h"

#include <filesystem>
#include <utility>

#include "eval/tasks/task_files.h"
#include "io/caption_readers.h"

namespace bitmar {

Result<FlickrSplit> read_flickr_split(const std::string& list, std::uint64_t limit) {
  FlickrSplit split;
  const std::filesystem::path folder = std::filesystem::path(list).parent_path();
  const std::string captions = (folder / "captions.tsv").string();
  split.folder = folder.string();
  split.files = {list, captions};
  BITMAR_TRY(auto names, read_name_list(list));
  if (names.empty()) return fail(ErrorCode::kInvalidFile, "{}: names no photo", list);
  if (limit > 0 && names.size() > limit) names.resize(limit);
  BITMAR_TRY(const auto groups, read_captions(captions, CaptionFormat::kTsv));
  auto photos = join_references(groups, names);
  if (!photos) return fail(photos.error().code, "{}: {}", captions, photos.error().message);
  split.photos = *std::move(photos);
  return split;
}

Result<std::optional<PredictionBinding>> bind_split(const TaskContext& context, std::string_view task,
                                                    const FlickrSplit& split, const ImageSource& images) {
  if (context.predictions.empty()) return std::nullopt;
  BITMAR_TRY(std::string files, hash_files(split.files));
  PredictionBinding binding = bind_predictions(context, task, std::move(files));
  std::vector<std::string> names;
  for (const ReferencedPhoto& photo : split.photos) names.push_back(photo.name);
  BITMAR_TRY_VOID(bind_images(binding, context, images, names));
  binding.images = "own";
  return binding;
}

}  // namespace bitmar
