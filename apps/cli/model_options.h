// The options that every command with a model has, and opening a session by them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/photo_list.h"
#include "runtime/session.h"

namespace bitmar::cli {

struct ModelOptions {
  std::string model;   // -m; else BITMAR_MODEL, else the shipped model
  std::string tower;   // --tower, for a model without one
  std::string memory;  // --memory: a snapshot to read instead of the memory that the model ships
  bool no_memory = false;
  std::size_t threads = 1;
};

// Adds -m and --tower.
void add_model_file_options(CLI::App& command, ModelOptions& options);
// Adds -m, --tower and -t.
void add_model_options(CLI::App& command, ModelOptions& options);
// Adds --no-memory.
CLI::Option* add_no_memory_option(CLI::App& command, ModelOptions& options);
// Adds --memory and --no-memory, one of them.
void add_memory_options(CLI::App& command, ModelOptions& options);

// The file that `given` (-m) names. Empty: BITMAR_MODEL's, else models/bitmar-14m.gguf in this folder or above the
// program's.
[[nodiscard]] Result<std::string> find_model(const std::string& given);

// The model that `options` name.
[[nodiscard]] Result<std::shared_ptr<const Engine>> open_engine(const ModelOptions& options);

// A session that reads the memory that `options` name and never changes it.
[[nodiscard]] Result<Session> open_session(const std::shared_ptr<const Engine>& engine, const ModelOptions& options);

// Several of them; the first has the options' threads, the others one.
[[nodiscard]] Result<std::vector<Session>> open_sessions(const std::shared_ptr<const Engine>& engine,
                                                         const ModelOptions& options, std::size_t count);

// The photos that the command `name` was given: files and folders, or "-" alone for standard input.
[[nodiscard]] Result<std::vector<Photo>> list_photos(std::string_view name, const std::vector<std::string>& inputs);

// A photo by path, or from standard input where the path is "-".
[[nodiscard]] Result<Image> load_photo(const std::string& path);

}  // namespace bitmar::cli
