// Which photos a command works on.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace bitmar {

struct Photo {
  std::string name;  // what result files call it
  std::string path;
};

// The photos of `inputs`, files and folders, in the order given; a folder stands for its JPEG, PNG and WebP files
// (told by extension), subfolders included, sorted. A file is named as given; a photo of the only folder given by its
// path within the folder, of one among several by the folder as given and that path. kNotFound where an input does not
// exist or a folder holds no photo.
[[nodiscard]] Result<std::vector<Photo>> find_photos(const std::vector<std::string>& inputs);

// The photos named one a line in `list_path` (blank lines are skipped), each within the folder `root`.
[[nodiscard]] Result<std::vector<Photo>> read_photo_list(const std::string& list_path, const std::string& root);

}  // namespace bitmar
