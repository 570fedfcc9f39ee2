// The subcommands of bitmar-train. Each command_*.cpp declares its flags on the app and runs in its callback; a failure
// is thrown as CommandError, which main prints as one line.
#pragma once

#include <CLI/CLI.hpp>
#include <stdexcept>

#include "base/result.h"

namespace bitmar {

class CommandError : public std::runtime_error {
 public:
  explicit CommandError(const Error& error) : std::runtime_error(error.message) {}
};

// The value, or CommandError.
template <typename T>
T value_or_throw(Result<T> result) {
  if (!result) throw CommandError(result.error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

void register_prepare(CLI::App& app);
void register_train(CLI::App& app);
void register_bench(CLI::App& app);
void register_evaluate(CLI::App& app);
void register_export(CLI::App& app);
void register_distill(CLI::App& app);
void register_export_tower(CLI::App& app);
void register_finetune(CLI::App& app);

// All of them.
void register_commands(CLI::App& app);

}  // namespace bitmar
