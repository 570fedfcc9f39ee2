// What the tests of the file formats share; no part of the library.
#pragma once

#include <gtest/gtest.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitmar::testing {

// By POSIX alone: WASI has no std::filesystem and no file streams.

inline std::vector<std::string> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> open(::opendir(folder.c_str()));
  std::vector<std::string> names;
  if (!open) return names;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

inline void remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return;
  for (const std::string& name : names_in(path)) remove_tree(path + '/' + name);
  ::rmdir(path.c_str());
}

// A folder of its own, gone with all that it holds when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device entropy;
    path_ = ::testing::TempDir() + "bitmar-" + std::to_string(entropy());
    EXPECT_EQ(::mkdir(path_.c_str(), 0777), 0) << path_;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { remove_tree(path_); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + '/' + name; }
  [[nodiscard]] std::size_t entries() const { return names_in(path_).size(); }

 private:
  std::string path_;
};

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

using FileHandle = std::unique_ptr<std::FILE, decltype([](std::FILE* open) { std::fclose(open); })>;

inline std::string read_text(const std::string& path) {
  const FileHandle open(std::fopen(path.c_str(), "rb"));
  EXPECT_TRUE(open) << path;
  std::string text;
  for (int byte = 0; open && (byte = std::getc(open.get())) != EOF;) text += static_cast<char>(byte);
  return text;
}

inline std::vector<std::byte> read_file(const std::string& path) {
  return to_bytes(read_text(path));
}

inline void write_file(const std::string& path, std::string_view contents) {
  const FileHandle open(std::fopen(path.c_str(), "wb"));
  EXPECT_TRUE(open && std::fwrite(contents.data(), 1, contents.size(), open.get()) == contents.size()) << path;
}

inline std::string golden(const std::string& name) {
  return BITMAR_SOURCE_DIR "/tests/goldens/io/" + name;
}

// The values of a tensor's bytes.
template <typename T>
std::vector<T> values_of(std::span<const std::byte> bytes) {
  EXPECT_EQ(bytes.size() % sizeof(T), 0u);
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// A file put together field by field, for what no writer would write.
class RawFile {
 public:
  template <typename T>
  RawFile& number(T value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  RawFile& text(std::string_view value) {
    const auto bytes = std::as_bytes(std::span(value));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  RawFile& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  RawFile& pad(std::size_t alignment) { return zeros((alignment - bytes_.size() % alignment) % alignment); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace bitmar::testing
