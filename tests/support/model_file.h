// A small model's file on disk, for tests that see the library only from outside.
#pragma once

#include <string>

namespace bitmar::testing {

enum class SmallModel {
  kFeatures,  // small_config(): takes patch features
  kTower,     // with a small vision tower: takes photos too
  kNoMemory,
};

// Writes a random model (tests/support/random_model.h); the same kind gives the same bytes.
void write_small_model(const std::string& path, SmallModel kind);

}  // namespace bitmar::testing
