#include "runtime/photo_list.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "io/mapped_file.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;

bool has_photo_extension(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kExtensions = {".jpg", ".jpeg", ".png", ".webp"};
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return std::ranges::find(kExtensions, extension) != kExtensions.end();
}

Result<std::vector<std::string>> photos_within(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code not_a_file;
    if (!entry->is_regular_file(not_a_file) || !has_photo_extension(entry->path())) continue;
    names.push_back(entry->path().lexically_relative(folder).generic_string());
  }
  if (error) return fail(ErrorCode::kIo, "{}: the folder cannot be read ({})", folder, error.message());
  if (names.empty()) return fail(ErrorCode::kNotFound, "{}: no .jpg, .png or .webp file in this folder", folder);
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::vector<Photo>> find_photos(const std::vector<std::string>& inputs) {
  std::vector<Photo> photos;
  for (const std::string& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status)) return fail(ErrorCode::kNotFound, "{}: no such file or folder", input);
    if (!fs::is_directory(status)) {
      photos.push_back({input, input});
      continue;
    }
    BITMAR_TRY(const std::vector<std::string> names, photos_within(input));
    for (const std::string& name : names) {
      const std::string path = (fs::path(input) / name).string();
      photos.push_back({inputs.size() == 1 ? name : path, path});
    }
  }
  return photos;
}

Result<std::vector<Photo>> read_photo_list(const std::string& list_path, const std::string& root) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(list_path));
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::vector<Photo> photos;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (name.ends_with('\r')) name.remove_suffix(1);
    if (name.empty()) continue;
    photos.push_back({std::string(name), (fs::path(root) / name).string()});
  }
  if (photos.empty()) return fail(ErrorCode::kNotFound, "{}: the list names no photo", list_path);
  return photos;
}

}  // namespace bitmar
