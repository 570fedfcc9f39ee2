#include "eval/metrics/ptb_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace bitmar {
namespace {

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Pattern = std::unique_ptr<pcre2_code, CodeDeleter>;

// As in a flex grammar the longest match wins, and the earlier rule where two are equally long. A rule that ends
// before a clitic leaves it for the next token.
constexpr std::array kRules = {
    // Words with inner hyphens, a leading French or Irish elision; not the "n" of "n't".
    R"((?:[dolDOL]['’](?=\p{L}))?[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*)",
    // What the grammar takes for a file name or a host: a full stop between letters, the second part in lower case.
    R"([A-Za-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)+)",
    // Alternatives with slashes.
    R"([A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2})",
    // Names such as AT&T.
    R"([A-Z]+(?:[+&][A-Z]+)+)",
    // Numbers, times, fractions, a sign.
    R"([-+]?[0-9]*(?:[.,:/][0-9]+)+)",
    R"((?<![\p{L}\p{N}])[-+][0-9]+)",
    // Acronyms and abbreviations keep their full stop.
    R"((?:[A-Za-z]\.){2,}[A-Za-z]?(?![\p{L}\p{N}]))",
    R"([A-Za-z]\.(?=\s+\S))",
    R"((?i:mr|mrs|ms|dr|st|ave|blvd|corp|inc|co|cos|ltd|dept|ft|jr|sr|mt|prof|univ|etc|gen|gov|sen|rep|rev|hon|lt|sgt|capt|col|rd|messrs|bros|vs|no|ky|pa|penn|calif|wed|mon|tues|thurs|fri|jan|feb|aug|sept|oct|nov|dec)\.(?!\p{L}))",
    // Clitics.
    R"(['’](?i:s|m|d|ll|re|ve)(?![\p{L}\p{N}]))",
    R"((?i:n)['’](?i:t)(?![\p{L}\p{N}]))",
    R"(['’](?i:n)['’]?(?![\p{L}\p{N}]))",
    R"(['’](?i:em|tis|twas|till|til|cause)(?![\p{L}\p{N}]))",
    R"((?i:dunkin|somethin|ol)['’](?![\p{L}\p{N}]))",
    R"((?i:o)['’](?i:clock)(?![\p{L}\p{N}]))",
    R"([!?]+)",
    R"(\.\.\.|…)",
    R"(--+)",
    R"([^\s])",
};

// A word that ends in n't gives up its last letter to the clitic; a few words are two tokens.
struct Split {
  std::string_view word;
  std::size_t first;
};
constexpr std::array kSplits = {Split{"cannot", 3}, Split{"gonna", 3}, Split{"gotta", 3},
                                Split{"lemme", 3},  Split{"gimme", 3}, Split{"wanna", 3}};

constexpr std::array<std::string_view, 21> kPunctuation = {"''", "'", "``", "`", "\"", "’",   "‘", "“", "”", ".", "?",
                                                           "!",  ",", ":",  "-", "--", "...", "…", ";", "–", "—"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  // The two-byte Latin-1 capitals À..Þ, all but ×.
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    const auto second = static_cast<unsigned char>(out[i + 1]);
    if (static_cast<unsigned char>(out[i]) == 0xC3 && second >= 0x80 && second <= 0x9E && second != 0x97) {
      out[i + 1] = static_cast<char>(second + 0x20);
    }
  }
  return out;
}

std::string_view bracket_name(std::string_view token) {
  if (token == "(") return "-lrb-";
  if (token == ")") return "-rrb-";
  if (token == "[") return "-lsb-";
  if (token == "]") return "-rsb-";
  if (token == "{") return "-lcb-";
  if (token == "}") return "-rcb-";
  return token;
}

// The grammar reads the XML entity as the character.
std::string unescape_ampersands(std::string_view text) {
  constexpr std::string_view kEntity = "&amp;";
  std::string out(text);
  for (auto at = out.find(kEntity); at != std::string::npos; at = out.find(kEntity, at + 1)) {
    out.replace(at, kEntity.size(), "&");
  }
  return out;
}

bool is_negation_clitic(std::string_view text) {  // 't, ’t, not followed by a letter or digit
  for (const std::string_view apostrophe : {"'", "’"}) {
    if (!text.starts_with(apostrophe)) continue;
    const auto rest = text.substr(apostrophe.size());
    if (rest.empty() || (rest[0] != 't' && rest[0] != 'T')) return false;
    return rest.size() == 1 || std::isalnum(static_cast<unsigned char>(rest[1])) == 0;
  }
  return false;
}

}  // namespace

struct PtbTokenizer::State {
  std::vector<Pattern> patterns;
};

Result<PtbTokenizer> PtbTokenizer::create() {
  auto state = std::make_shared<State>();
  for (const std::string_view rule : kRules) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    Pattern pattern(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rule.data()), rule.size(),
                                  PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ANCHORED, &error, &offset, nullptr));
    if (!pattern) return fail(ErrorCode::kUnsupported, "PCRE2 refuses the rule '{}' (error {})", rule, error);
    pcre2_jit_compile(pattern.get(), PCRE2_JIT_COMPLETE);
    state->patterns.push_back(std::move(pattern));
  }
  return PtbTokenizer(std::move(state));
}

std::vector<std::string> PtbTokenizer::tokenize(std::string_view text) const {
  std::vector<std::string> tokens;
  const std::string unescaped = unescape_ampersands(text);
  const std::string_view caption = unescaped;
  const auto emit = [&](std::string_view token) {
    const std::string_view named = bracket_name(token);
    if (std::ranges::find(kPunctuation, named) == kPunctuation.end()) tokens.push_back(lower(named));
  };
  const std::unique_ptr<pcre2_match_data, MatchDeleter> match(pcre2_match_data_create(8, nullptr));
  std::size_t position = 0;
  while (position < caption.size()) {
    const auto byte = static_cast<unsigned char>(caption[position]);
    if (byte <= ' ') {
      ++position;
      continue;
    }
    std::size_t length = 0;
    std::size_t winner = 0;
    for (std::size_t rule = 0; rule < state_->patterns.size(); ++rule) {
      const int matched = pcre2_match(state_->patterns[rule].get(), reinterpret_cast<PCRE2_SPTR>(caption.data()),
                                      caption.size(), position, 0, match.get(), nullptr);
      if (matched <= 0) continue;
      const auto* bounds = pcre2_get_ovector_pointer(match.get());
      if (bounds[1] - bounds[0] > length) {
        length = bounds[1] - bounds[0];
        winner = rule;
      }
    }
    if (length == 0) {  // white space beyond ASCII, or a byte that is no UTF-8
      if (byte >= 0x80 && caption.substr(position).starts_with("\xC2\xA0")) ++position;
      ++position;
      continue;
    }
    std::string_view token = caption.substr(position, length);
    position += length;
    if (winner == 0) {
      const bool ends_in_n = token.back() == 'n' || token.back() == 'N';
      if (token.size() > 1 && ends_in_n && is_negation_clitic(caption.substr(position))) {
        token.remove_suffix(1);
        --position;
      }
      const std::string folded = lower(token);
      const auto split = std::ranges::find(kSplits, std::string_view(folded), &Split::word);
      if (split != kSplits.end()) {
        emit(token.substr(0, split->first));
        token.remove_prefix(split->first);
      }
    }
    emit(token);
  }
  return tokens;
}

}  // namespace bitmar
