// A session about to caption a photo of random features.
//
//   Session session = captioning_session(random_engine(small_config(), 4));
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/session.h"

namespace bitmar::testing {

inline constexpr std::size_t kPhotoPatches = 16;
inline constexpr std::uint64_t kPhotoSeed = 5;

// Read-only memory, the features random_features(config, kPhotoPatches, kPhotoSeed), after <|endoftext|>.
[[nodiscard]] Session captioning_session(const std::shared_ptr<const Engine>& engine);

}  // namespace bitmar::testing
