// FNV-1a, 64 bits: tells whether an input changed. Not for anything that an adversary may forge.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace bitmar {

class Fingerprint {
 public:
  void add_bytes(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) hash_ = (hash_ ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001B3u;
  }
  void add_number(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) hash_ = (hash_ ^ ((value >> shift) & 0xFFu)) * 0x100000001B3u;
  }
  // With its length, so that neighbours cannot run into each other.
  void add_text(std::string_view text) {
    add_number(text.size());
    add_bytes(std::as_bytes(std::span(text)));
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }
  [[nodiscard]] std::string hex() const { return fmt::format("{:016x}", hash_); }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

}  // namespace bitmar
