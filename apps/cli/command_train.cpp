// bitmar train: hands over to the trainer, which links libtorch and is a program of its own.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "commands.h"

namespace bitmar::cli {
namespace {

// Beside this program, in the trainer's build folder, or on the PATH.
std::string find_trainer() {
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto& candidate : {folder / "bitmar-train", folder.parent_path() / "build-train" / "bitmar-train"}) {
    if (std::filesystem::exists(candidate, ignored)) return candidate.string();
  }
  return "bitmar-train";
}

Result<void> hand_over(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {find_trainer(), "train"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp(pointers.front(), pointers.data());
  return fail(ErrorCode::kNotFound, "train: cannot start {}: {}; `make train` builds it", words.front(),
              std::strerror(errno));
}

}  // namespace

void add_train_command(CLI::App& app, CommandAction& action) {
  CLI::App* command = app.add_subcommand("train", "Train a model (starts bitmar-train)");
  command->prefix_command();
  command->set_help_flag();
  command->footer("Example:\n  bitmar train --config configs/bitmar-14m.toml");
  command->callback([command, &action] {
    const auto arguments = command->remaining();
    action = [arguments] { return hand_over(arguments); };
  });
}

}  // namespace bitmar::cli
