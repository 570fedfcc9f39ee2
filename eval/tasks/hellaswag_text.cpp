#include "eval/tasks/hellaswag_text.h"

#include "io/lines.h"

namespace bitmar {
namespace {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  for (;;) {
    const std::size_t found = text.find(from);
    replaced += text.substr(0, found);
    if (found == std::string_view::npos) return replaced;
    replaced += to;
    text.remove_prefix(found + from.size());
  }
}

// The regular expression \[.*?\], whose dot is no line feed.
std::string without_bracketed(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t open = text.find('[');
    kept += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const std::size_t end = text.find_first_of("]\n");
    if (end != std::string_view::npos && text[end] == ']') {
      text.remove_prefix(end + 1);
    } else {
      kept += '[';
      text.remove_prefix(1);
    }
  }
  return kept;
}

}  // namespace

std::string capitalize(std::string_view text) {
  std::string capitalized(text);
  for (std::size_t i = 0; i < capitalized.size(); ++i) {
    char& letter = capitalized[i];
    if (i == 0 && letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    if (i > 0 && letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return capitalized;
}

std::string clean_hellaswag(std::string_view text) {
  return replace_all(without_bracketed(replace_all(strip(text), " [title]", ". ")), "  ", " ");
}

}  // namespace bitmar
