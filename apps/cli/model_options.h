// The options that every command with a model has, and opening a session by them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "runtime/session.h"

namespace bitmar::cli {

struct ModelOptions {
  std::string model;   // -m; else BITMAR_MODEL, else the shipped model
  std::string tower;   // --tower, for a model without one
  bool no_memory = false;
  std::size_t threads = 1;
};

// Adds -m, --tower, --no-memory and -t.
void add_model_options(CLI::App& command, ModelOptions& options);

// The model that `options` names. Without a name: models/bitmar-14m.gguf in this folder or above the program's.
[[nodiscard]] Result<std::shared_ptr<const Engine>> open_engine(const ModelOptions& options);

// A session that reads the model's memory and never changes it.
[[nodiscard]] Result<Session> open_session(const std::shared_ptr<const Engine>& engine, const ModelOptions& options);

// A photo by path, or from standard input where the path is "-".
[[nodiscard]] Result<Image> load_photo(const std::string& path);

}  // namespace bitmar::cli
