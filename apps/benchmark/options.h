// What a benchmark of a model runs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/engine.h"

namespace bitmar {

struct BenchmarkOptions {
  std::string model;  // the file
  EngineOptions engine;
  std::string photo;                    // the file; empty: a synthetic one
  std::vector<std::size_t> threads{1};  // each is measured
  std::size_t prefill_tokens = 256;
  std::size_t decode_tokens = 64;
  std::size_t repetitions = 15;
  bool stages = false;
  bool without_memory = false;  // measures everything in sessions without memory as well, in the same rounds
};

}  // namespace bitmar
