// Writes a random model of each kind: write_small_models FOLDER
#include <cstdio>
#include <string>

#include "tests/support/model_file.h"

int main(int argc, char** argv) {
  using bitmar::testing::SmallModel;
  using bitmar::testing::write_small_model;
  if (argc != 2) {
    std::fputs("usage: write_small_models FOLDER\n", stderr);
    return 2;
  }
  const std::string folder = argv[1];
  write_small_model(folder + "/tower.gguf", SmallModel::kTower);
  write_small_model(folder + "/features.gguf", SmallModel::kFeatures);
  write_small_model(folder + "/no-memory.gguf", SmallModel::kNoMemory);
}
