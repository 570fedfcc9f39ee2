// The lines of a text that somebody else owns, with their numbers: LF or CRLF ends, a UTF-8 byte order mark skipped.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bitmar {

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text), size_(text.size()) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }

  // False at the end; else `line` is the next one without its end.
  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    return true;
  }
  // Of the line that next() gave last, from 1.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  // Bytes consumed so far.
  [[nodiscard]] std::uint64_t position() const { return size_ - rest_.size(); }

 private:
  std::string_view rest_;
  std::uint64_t size_;
  std::uint64_t number_ = 0;
};

[[nodiscard]] inline std::string_view strip(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace bitmar
