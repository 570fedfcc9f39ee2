#include "memory_file.h"

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace bitmar::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameDigits = 8;  // of the model's hash

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

Result<fs::path> data_folder() {
  // The XDG base directory specification ignores relative paths.
  if (const fs::path folder = environment("XDG_DATA_HOME"); folder.is_absolute()) return folder;
  if (const fs::path home = environment("HOME"); home.is_absolute()) return home / ".local" / "share";
  return fail(ErrorCode::kNotFound,
              "no folder for the memory: neither HOME nor XDG_DATA_HOME is set; give --memory FILE");
}

}  // namespace

Result<MemoryFile> MemoryFile::of(std::shared_ptr<const Engine> engine, const std::string& given) {
  if (engine->memory() == nullptr) return fail(ErrorCode::kUnsupported, "{}: this model has no memory", engine->name());
  if (!given.empty() && given != "default") return MemoryFile(std::move(engine), given, true);
  if (const std::string_view named = environment("BITMAR_MEMORY"); !named.empty()) {
    return MemoryFile(std::move(engine), std::string(named), false);
  }
  BITMAR_TRY(const fs::path folder, data_folder());
  const std::string name = fmt::format("{}-{}.memory", fs::path(engine->name()).stem().string(),
                                       std::string_view(engine->content_hash()).substr(0, kNameDigits));
  return MemoryFile(std::move(engine), (folder / "bitmar" / name).string(), false);
}

Result<Memory> MemoryFile::load() const {
  return given_ ? load_memory_snapshot(path_, engine_) : load_or_empty();
}

Result<Memory> MemoryFile::load_or_empty() const {
  std::error_code ignored;
  if (fs::symlink_status(path_, ignored).type() == fs::file_type::not_found) return Memory(engine_);
  return load_memory_snapshot(path_, engine_);
}

Result<FileLock> MemoryFile::lock() const {
  const fs::path folder = fs::path(path_).parent_path();
  if (!given_ && !folder.empty()) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return fail(ErrorCode::kIo, "{}: cannot create the folder: {}", folder.string(), error.message());
  }
  return FileLock::acquire(path_);
}

}  // namespace bitmar::cli
