#include "eval/language/held_out_text.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace fs = std::filesystem;
namespace {

// More bytes than most tokens take: a first guess.
constexpr std::size_t kBytesPerToken = 6;

// A line never starts or ends with white space here, so that encoding line by line gives what encoding the whole would.
std::vector<TokenId> encode_lines(std::string_view text, const Tokenizer& tokenizer, bool starts_file) {
  std::vector<TokenId> tokens;
  Lines lines(text);
  std::string_view line;
  while (lines.next(line)) {
    line = strip(line);
    if (line.empty()) continue;
    if (!starts_file || !tokens.empty()) tokenizer.encode_append("\n", tokens);
    tokenizer.encode_append(line, tokens);
  }
  return tokens;
}

}  // namespace

Result<std::vector<TokenId>> read_last_tokens(const std::string& path, const Tokenizer& tokenizer, std::size_t count) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text = as_text(file.bytes());
  std::vector<TokenId> tokens;
  for (std::size_t bytes = count == 0 ? text.size() : kBytesPerToken * count;; bytes *= 2) {
    std::size_t start = text.size() - std::min(bytes, text.size());
    if (start > 0) start = std::min(text.find('\n', start), text.size() - 1) + 1;
    tokens = encode_lines(text.substr(start), tokenizer, start == 0);
    if (bytes >= text.size() || tokens.size() >= count) break;
  }
  if (tokens.empty()) return fail(ErrorCode::kInvalidFile, "{}: has no text", path);
  if (count > 0 && tokens.size() > count) {
    tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(count));
  }
  return tokens;
}

Result<std::vector<HeldOutText>> read_held_out_texts(const std::string& folder, const Tokenizer& tokenizer,
                                                     std::size_t count) {
  std::vector<fs::path> paths;
  std::error_code status;
  for (fs::directory_iterator entry(folder, status); !status && entry != fs::directory_iterator();
       entry.increment(status)) {
    const std::string extension = entry->path().extension().string();
    if (extension == ".train" || extension == ".txt") paths.push_back(entry->path());
  }
  if (status) return fail(ErrorCode::kIo, "{}: cannot list it: {}", folder, status.message());
  if (paths.empty()) return fail(ErrorCode::kNotFound, "{}: has no .train or .txt file", folder);
  std::ranges::sort(paths);
  std::vector<HeldOutText> texts;
  for (const fs::path& path : paths) {
    BITMAR_TRY(std::vector<TokenId> tokens, read_last_tokens(path.string(), tokenizer, count));
    texts.push_back({path.stem().string(), std::move(tokens)});
  }
  return texts;
}

}  // namespace bitmar
