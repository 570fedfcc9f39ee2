// Strict TOML: every key must be one that the program reads, of the type it wants; anything else is one error that
// names file, key and line.
//
//   BITMAR_TRY(const TomlDocument document, TomlDocument::load("config.toml", {"train.steps=100"}));
//   TomlReader root = document.root();
//   root.read("seed", seed);                       // keeps `seed` as it is where the key is absent
//   TomlReader optimizer = root.table("optimizer");
//   optimizer.read("beta1", settings.beta1);
//   BITMAR_TRY_VOID(document.finish());            // the first error, or the first key that nobody read
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

class TomlReader;

class TomlDocument {
 public:
  // A document may begin with `base = "other.toml"`, a path from its own folder: it then says only what differs. Tables
  // are laid over the base's key by key, anything else (so also an array of tables) replaces what the base has.
  // `overrides` are "path.to.key=value", the value in TOML or a bare word (a string); they create or replace keys.
  // A path into an array of tables names the entry by its number: "data.source.0.path=x".
  static Result<TomlDocument> load(const std::string& path, const std::vector<std::string>& overrides);
  static Result<TomlDocument> parse(std::string_view text, const std::string& name,
                                    const std::vector<std::string>& overrides);

  // Readers share this document's state: it must outlive them.
  [[nodiscard]] TomlReader root() const;
  // The first error of any reader; else the first key that nobody read. Top-level tables in `ignored` are not looked
  // at: a command that uses a part of a configuration.
  [[nodiscard]] Result<void> finish(const std::vector<std::string>& ignored = {}) const;
  // The document with its overrides, as TOML: what a checkpoint keeps.
  [[nodiscard]] std::string text() const;

  struct State;

 private:
  explicit TomlDocument(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// One table of the document, or an absent one (then nothing is read). The first error sticks in the document; later
// reads do nothing harmful, so callers need not check after each.
class TomlReader {
 public:
  [[nodiscard]] bool present() const;
  [[nodiscard]] bool contains(std::string_view key) const;

  // Each keeps `value` where the key is absent.
  void read(std::string_view key, bool& value);
  void read(std::string_view key, std::uint32_t& value);
  void read(std::string_view key, std::uint64_t& value);
  void read(std::string_view key, float& value);
  void read(std::string_view key, double& value);
  void read(std::string_view key, std::string& value);
  void read(std::string_view key, std::vector<std::string>& value);
  // A finite number >= 0.
  void read_not_negative(std::string_view key, double& value);
  // A word parsed by `parse(std::string) -> Result<T>`.
  template <typename T, typename Parse>
  void read_word(std::string_view key, T& value, Parse parse) {
    std::string word;
    if (!contains(key)) return;
    read(key, word);
    if (failed()) return;
    if (auto parsed = parse(word)) {
      value = std::move(*parsed);
    } else {
      fail_at(key, parsed.error().message);
    }
  }
  // kInvalidArgument at `key` where it is absent.
  void require(std::string_view key);

  [[nodiscard]] TomlReader table(std::string_view key);
  // The entries of an array of tables: [[key]].
  [[nodiscard]] std::vector<TomlReader> tables(std::string_view key);

  // Records "file:line: key 'path.key': message". `key` may be a path: "train.0.rows".
  void fail_at(std::string_view key, std::string_view message);
  [[nodiscard]] bool failed() const;

  struct Node;
  TomlReader(std::shared_ptr<TomlDocument::State> document, std::shared_ptr<const Node> node)
      : document_(std::move(document)), node_(std::move(node)) {}

 private:
  std::shared_ptr<TomlDocument::State> document_;
  std::shared_ptr<const Node> node_;
};

}  // namespace bitmar
