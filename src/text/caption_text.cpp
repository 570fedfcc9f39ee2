#include "text/caption_text.h"

#include <algorithm>
#include <array>
#include <vector>

namespace bitmar {
namespace {

using namespace std::string_view_literals;

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Splits at ASCII white space and U+00A0.
std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t start = 0;
  std::size_t i = 0;
  const auto end_word = [&](std::size_t end) {
    if (end > start) words.push_back(text.substr(start, end - start));
  };
  while (i < text.size()) {
    const std::size_t width = is_space(text[i]) ? 1 : text.substr(i).starts_with("\xC2\xA0") ? 2 : 0;
    if (width == 0) {
      ++i;
      continue;
    }
    end_word(i);
    i += width;
    start = i;
  }
  end_word(text.size());
  return words;
}

bool attaches_to_previous(std::string_view word) {
  static constexpr std::array kSuffixes = {"'s"sv, "'S"sv, "'re"sv, "'ve"sv, "'ll"sv, "'d"sv, "'m"sv, "n't"sv, "N'T"sv};
  return word.find_first_not_of(",.;:!?%)") == std::string_view::npos ||
         std::ranges::find(kSuffixes, word) != kSuffixes.end();
}

// The character that a Penn Treebank escape stands for, or the word itself.
std::string_view unescape(std::string_view word) {
  if (word == "-LRB-" || word == "-lrb-") return "(";
  if (word == "-RRB-" || word == "-rrb-") return ")";
  return word;
}

std::string join(const std::vector<std::string_view>& words, bool detokenise) {
  std::string text;
  // Lone double quotes pair up, unless their number is odd.
  const bool quotes_pair = std::ranges::count(words, "\""sv) % 2 == 0;
  bool quote_open = false;
  bool glue = true;  // no blank before the next word
  for (const std::string_view raw : words) {
    if (!detokenise) {
      if (!text.empty()) text += ' ';
      text += raw;
      continue;
    }
    const std::string_view word = unescape(raw);
    bool opens = word == "(" || word == "``";
    bool closes = attaches_to_previous(word) || word == "''";
    if (word == "\"" && quotes_pair) {
      opens = !quote_open;
      closes = quote_open;
      quote_open = !quote_open;
    }
    if (!glue && !closes) text += ' ';
    text += word == "``" || word == "''" ? "\""sv : word;
    glue = opens;
  }
  return text;
}

void end_with_stop(std::string& text) {
  const std::size_t last = text.find_last_not_of("\"')]");
  if (last != std::string::npos && std::string_view(".!?").contains(text[last])) return;
  while (!text.empty() && (std::string_view(",;:-").contains(text.back()) || is_space(text.back()))) text.pop_back();
  if (!text.empty()) text += '.';
}

}  // namespace

std::string normalise_caption(std::string_view text, const CaptionTextOptions& options) {
  std::string caption = join(split_words(text), options.detokenise);
  if (caption.find_first_not_of(".,;:!?-") == std::string::npos) return {};
  if (options.final_stop) end_with_stop(caption);
  return caption;
}

}  // namespace bitmar
