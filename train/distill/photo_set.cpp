#include "distill/photo_set.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "base/thread_pool.h"
#include "data/shuffle.h"
#include "image/image.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

Result<std::vector<std::string>> read_names(const std::string& list, std::uint64_t limit) {
  std::ifstream file(list);
  if (!file) return fail(ErrorCode::kNotFound, "{}: cannot be opened; expected a list of photos, a name a line", list);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line) && (limit == 0 || names.size() < limit);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.empty()) return fail(ErrorCode::kInvalidFile, "{}: names no photos", list);
  return names;
}

Result<Image> load_square(const std::string& path, const VisionTowerConfig& tower) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  BITMAR_TRY(const Image photo, decode_image(file.bytes(), path));
  if (tower.fit == ImageFit::kCenterCrop) return resize_and_center_crop(photo, tower.resize_shorter, tower.image_size);
  return resize_bicubic(photo, tower.image_size, tower.image_size);
}

std::size_t photo_bytes(const VisionTowerConfig& tower) {
  return static_cast<std::size_t>(tower.image_size) * tower.image_size * 3;
}

torch::Tensor empty_batch(std::uint64_t count, const VisionTowerConfig& tower) {
  const std::int64_t side = tower.image_size;
  return torch::empty({static_cast<std::int64_t>(count), 3, side, side});
}

}  // namespace

Result<PhotoSet> PhotoSet::load(const std::string& folder, const std::string& list, std::uint64_t limit,
                                const VisionTowerConfig& tower, std::uint32_t threads) {
  BITMAR_TRY(const std::vector<std::string> names, read_names(list, limit));
  const std::size_t bytes = photo_bytes(tower);
  std::vector<std::uint8_t> pixels(names.size() * bytes);
  std::optional<Error> error;
  std::mutex mutex;
  ThreadPool pool(threads);
  pool.parallel_for(names.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto photo = load_square((std::filesystem::path(folder) / names[i]).string(), tower);
      if (!photo) {
        const std::scoped_lock lock(mutex);
        if (!error) error = photo.error();
        return;
      }
      std::ranges::copy(photo->pixels, pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes));
    }
  });
  if (error) return std::unexpected(*error);
  return PhotoSet(std::move(pixels), tower);
}

PhotoSet PhotoSet::from_pixels(std::vector<std::uint8_t> pixels, const VisionTowerConfig& tower) {
  TORCH_CHECK(!pixels.empty() && pixels.size() % photo_bytes(tower) == 0, "PhotoSet: no whole number of photos");
  return {std::move(pixels), tower};
}

std::uint64_t PhotoSet::size() const {
  return pixels_.size() / photo_bytes(tower_);
}

std::span<const std::uint8_t> PhotoSet::photo(std::uint64_t index) const {
  return std::span(pixels_).subspan(static_cast<std::size_t>(index) * photo_bytes(tower_), photo_bytes(tower_));
}

torch::Tensor PhotoSet::plain_batch(std::uint64_t first, std::uint64_t count) const {
  torch::Tensor batch = empty_batch(count, tower_);
  const std::size_t values = photo_bytes(tower_);
  float* target = batch.mutable_data_ptr<float>();
  const View view = plain_view(tower_.image_size);
  for (std::uint64_t i = 0; i < count; ++i) {
    render_view(photo(first + i), tower_.image_size, view, tower_.mean, tower_.deviation,
                {target + i * values, values});
  }
  return batch;
}

std::vector<std::uint32_t> PhotoSet::epoch_order(std::uint64_t epoch, std::uint64_t seed) const {
  std::vector<std::uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0u);
  Random random((seed << 32) ^ (1ull << 63) ^ epoch);
  shuffle(std::span(order), random);
  return order;
}

torch::Tensor PhotoSet::random_batch(std::uint64_t first, std::uint64_t count, std::uint64_t seed,
                                     const AugmentationSettings& augmentation) const {
  torch::Tensor batch = empty_batch(count, tower_);
  const std::size_t values = photo_bytes(tower_);
  float* target = batch.mutable_data_ptr<float>();
  std::uint64_t epoch = first / size();
  std::vector<std::uint32_t> order = epoch_order(epoch, seed);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t sample = first + i;
    if (sample / size() != epoch) order = epoch_order(epoch = sample / size(), seed);
    Random random((seed << 32) ^ sample);
    const View view = random_view(tower_.image_size, augmentation, random);
    render_view(photo(order[sample % size()]), tower_.image_size, view, tower_.mean, tower_.deviation,
                {target + i * values, values});
  }
  return batch;
}

}  // namespace bitmar
