// GPT-2's published merges, in its printable alphabet.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "text/byte_symbols.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace bitmar {
namespace {

using text_detail::kByteSymbols;

// The bytes that a token stands for, or nothing where a character is not of the alphabet.
std::optional<std::string> printable_to_bytes(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const auto step = text_detail::next_utf8(token);
    if (step.kind != text_detail::Utf8Kind::kComplete) return std::nullopt;
    const auto byte = kByteSymbols.byte_written_as(step.code_point);
    if (!byte) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
    token.remove_prefix(step.length);
  }
  return bytes;
}

class TokenIds {
 public:
  TokenIds() {
    for (const std::uint8_t byte : kByteSymbols.byte_of) add(std::string(1, static_cast<char>(byte)));
  }
  void add(std::string bytes) {
    ids_.try_emplace(std::move(bytes), next_id_);
    ++next_id_;
  }
  [[nodiscard]] std::optional<std::uint16_t> find(const std::string& bytes) const {
    const auto found = ids_.find(bytes);
    if (found == ids_.end() || !std::in_range<std::uint16_t>(found->second)) return std::nullopt;
    return static_cast<std::uint16_t>(found->second);
  }

 private:
  std::unordered_map<std::string, std::size_t> ids_;
  std::size_t next_id_ = 0;
};

}  // namespace

Result<Tokenizer> Tokenizer::from_merges_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "{}: cannot open: {}", path,
                std::strerror(errno));
  }
  TokenIds ids;
  std::vector<MergePair> merges;
  std::unordered_set<std::uint32_t> seen;  // left id, right id
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      return fail(ErrorCode::kInvalidFile, "{}: line {}: expected two tokens with one space between", path, number);
    }
    const auto left = printable_to_bytes(std::string_view(line).substr(0, space));
    const auto right = printable_to_bytes(std::string_view(line).substr(space + 1));
    const auto left_id = left ? ids.find(*left) : std::nullopt;
    const auto right_id = right ? ids.find(*right) : std::nullopt;
    if (!left_id || !right_id) {
      return fail(ErrorCode::kInvalidFile, "{}: line {}: '{}' is neither a byte symbol nor the result of a merge above",
                  path, number, left_id ? line.substr(space + 1) : line.substr(0, space));
    }
    if (!seen.insert((std::uint32_t{*left_id} << 16) | *right_id).second) {
      return fail(ErrorCode::kInvalidFile, "{}: line {}: the merge '{}' occurs twice", path, number, line);
    }
    merges.push_back({*left_id, *right_id});
    ids.add(*left + *right);
  }
  if (file.bad()) return fail(ErrorCode::kIo, "{}: cannot read: {}", path, std::strerror(errno));
  if (merges.empty()) return fail(ErrorCode::kInvalidFile, "{}: holds no merges", path);
  auto tokenizer = from_merges(std::move(merges));
  if (!tokenizer) return fail(tokenizer.error().code, "{}: {}", path, tokenizer.error().message);
  return tokenizer;
}

}  // namespace bitmar
