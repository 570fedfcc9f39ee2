// Random views of a photo, of which a model that learns from features alone can be given several.
#pragma once

#include "base/random.h"
#include "image/image.h"

namespace bitmar {

// A crop of 60 to 100 % of the photo's area, of 4:5 to 5:4 of its shape, stretched to the photo's size by
// resize_bicubic; one in two is mirrored. The image must not be empty (asserted).
[[nodiscard]] Image random_view(const Image& photo, Random& random);

}  // namespace bitmar
