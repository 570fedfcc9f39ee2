// Writes a small random model: make_model OUTPUT.gguf
#include <cstdio>

#include "tests/support/model_file.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_model OUTPUT.gguf\n", stderr);
    return 2;
  }
  bitmar::testing::write_small_model(argv[1], bitmar::testing::SmallModel::kFeatures);
}
