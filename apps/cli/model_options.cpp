#include "model_options.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "image/image.h"
#include "memory_file.h"

namespace bitmar::cli {
namespace {

constexpr const char* kShippedModel = "models/bitmar-14m.gguf";

}  // namespace

void add_model_file_options(CLI::App& command, ModelOptions& options) {
  command.add_option("-m,--model", options.model, "the model file (default: BITMAR_MODEL, else the shipped model)");
  command.add_option("--tower", options.tower, "a tower file for a model that has none (bitmar convert)");
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  options.threads = std::max(1u, std::thread::hardware_concurrency());
  add_model_file_options(command, options);
  command.add_option("-t,--threads", options.threads, "threads")->check(CLI::Range(1, 1024))->capture_default_str();
}

CLI::Option* add_no_memory_option(CLI::App& command, ModelOptions& options) {
  return command.add_flag("--no-memory", options.no_memory, "switch the episodic memory off");
}

void add_memory_options(CLI::App& command, ModelOptions& options) {
  command
      .add_option("--memory", options.memory,
                  "read this memory (bitmar memory; 'default': the file that it uses). Without it only the memory that "
                  "the model ships is read")
      ->excludes(add_no_memory_option(command, options));
}

Result<std::string> find_model(const std::string& given) {
  if (!given.empty()) return given;
  if (const char* named = std::getenv("BITMAR_MODEL"); named != nullptr && *named != '\0') return std::string(named);
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  for (const auto& folder : {std::filesystem::path("."), program.parent_path().parent_path()}) {
    const auto candidate = folder / kShippedModel;
    if (std::filesystem::exists(candidate, ignored)) return candidate.string();
  }
  return fail(ErrorCode::kNotFound, "no model: give one by -m FILE or BITMAR_MODEL ({} is not here)", kShippedModel);
}

Result<std::shared_ptr<const Engine>> open_engine(const ModelOptions& options) {
  BITMAR_TRY(const std::string path, find_model(options.model));
  return Engine::open(path, {.tower_path = options.tower, .isa = {}});
}

Result<Session> open_session(const std::shared_ptr<const Engine>& engine, const ModelOptions& options) {
  BITMAR_TRY(std::vector<Session> sessions, open_sessions(engine, options, 1));
  return std::move(sessions.front());
}

Result<std::vector<Session>> open_sessions(const std::shared_ptr<const Engine>& engine, const ModelOptions& options,
                                           std::size_t count) {
  std::optional<Memory> memory;
  if (!options.memory.empty()) {
    BITMAR_TRY(const MemoryFile file, MemoryFile::of(engine, options.memory));
    BITMAR_TRY(memory, file.load());
  }
  SessionOptions session_options;
  session_options.memory = options.no_memory ? MemoryMode::kOff : MemoryMode::kReadOnly;
  session_options.threads = options.threads;
  std::vector<Session> sessions;
  while (sessions.size() < count) {
    BITMAR_TRY(Session session, Session::open(engine, session_options));
    if (memory) {
      BITMAR_TRY_VOID(session.set_memory(memory->copy()));
    }
    sessions.push_back(std::move(session));
    session_options.threads = 1;
  }
  return sessions;
}

Result<std::vector<Photo>> list_photos(std::string_view name, const std::vector<std::string>& inputs) {
  if (inputs == std::vector<std::string>{"-"}) return std::vector<Photo>{{"-", "-"}};
  for (const auto& input : inputs) {
    if (input == "-") {
      return fail(ErrorCode::kInvalidArgument, "{}: '-' (standard input) cannot stand beside other photos", name);
    }
  }
  return find_photos(inputs);
}

Result<Image> load_photo(const std::string& path) {
  if (path != "-") return load_image(path);
  std::vector<char> bytes;
  const std::size_t limit = ImageLimits{}.maximum_file_bytes;
  char block[1 << 16];
  while (std::cin.read(block, sizeof block) || std::cin.gcount() > 0) {
    bytes.insert(bytes.end(), block, block + std::cin.gcount());
    if (bytes.size() > limit) {
      return fail(ErrorCode::kOutOfRange, "standard input: more than {} bytes; expected one photo", limit);
    }
  }
  return decode_image(std::as_bytes(std::span(bytes)), "standard input");
}

}  // namespace bitmar::cli
