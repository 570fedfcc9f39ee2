#include "text/splitter.h"

#include <fmt/format.h>

#include <new>
#include <string>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace bitmar::text_detail {
namespace {

// Unicode's White_Space property. PCRE2's own \s also takes U+180E, which left that property in Unicode 6.3.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
// Letters and numbers of Unicode 15 and 16, spelt out so that the words do not depend on the Unicode version of the
// installed PCRE2 (10.42 knows Unicode 14).
constexpr std::string_view kLetter =
    R"(\p{L})"
    R"(\x{1c89}-\x{1c8a}\x{a7cb}-\x{a7cd}\x{a7da}-\x{a7dc}\x{105c0}-\x{105f3}\x{10d4a}-\x{10d65})"
    R"(\x{10d6f}-\x{10d85}\x{10ec2}-\x{10ec4}\x{1123f}-\x{11240}\x{11380}-\x{11389}\x{1138b}\x{1138e})"
    R"(\x{11390}-\x{113b5}\x{113b7}\x{113d1}\x{113d3}\x{11bc0}-\x{11be0}\x{11f02}\x{11f04}-\x{11f10})"
    R"(\x{11f12}-\x{11f33}\x{1342f}\x{13441}-\x{13446}\x{13460}-\x{143fa}\x{16100}-\x{1611d}\x{16d40}-\x{16d6c})"
    R"(\x{18cff}\x{1b132}\x{1b155}\x{1df25}-\x{1df2a}\x{1e030}-\x{1e06d}\x{1e4d0}-\x{1e4eb}\x{1e5d0}-\x{1e5ed})"
    R"(\x{1e5f0}\x{2b739}\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})";
constexpr std::string_view kNumber =
    R"(\p{N})"
    R"(\x{10d40}-\x{10d49}\x{116d0}-\x{116e3}\x{11bf0}-\x{11bf9}\x{11f50}-\x{11f59}\x{16130}-\x{16139})"
    R"(\x{16d70}-\x{16d79}\x{1ccf0}-\x{1ccf9}\x{1d2c0}-\x{1d2d3}\x{1e4f0}-\x{1e4f9}\x{1e5f1}-\x{1e5fa})";

std::string make_pattern() {
  return fmt::format("'(?:[sdmt]|ll|ve|re)| ?[{1}]++| ?[{2}]++| ?[^{0}{1}{2}]++|[{0}]+(?![^{0}])|[{0}]+", kSpace,
                     kLetter, kNumber);
}

}  // namespace

void SplitPattern::Delete::operator()(pcre2_real_code_8* code) const {
  pcre2_code_free(code);
}
void Splitter::Delete::operator()(pcre2_real_match_data_8* data) const {
  pcre2_match_data_free(data);
}

Result<SplitPattern> SplitPattern::compile() {
  const std::string text = make_pattern();
  int error = 0;
  std::size_t offset = 0;
  SplitPattern pattern;
  pattern.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr));
  if (pattern.code_ == nullptr) {
    return fail(ErrorCode::kUnsupported, "this build of PCRE2 refuses the split pattern (error {} at {})", error,
                offset);
  }
  // Where PCRE2 was built without its compiler, matching interprets the pattern and gives the same words.
  pcre2_jit_compile(pattern.code_.get(), PCRE2_JIT_COMPLETE);
  return pattern;
}

Splitter::Splitter(const SplitPattern& pattern) : pattern_(pattern), match_(pcre2_match_data_create(1, nullptr)) {
  if (match_ == nullptr) throw std::bad_alloc();  // as any container would
}

std::string_view Splitter::next() {
  if (position_ == text_.size()) return {};
  const int count = pcre2_match(pattern_.code_.get(), reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(),
                                position_, PCRE2_NO_UTF_CHECK, match_.get(), nullptr);
  // Every character starts a match, so only an exhausted PCRE2 resource fails; the rest as one word loses no byte.
  const std::size_t end = count > 0 ? pcre2_get_ovector_pointer(match_.get())[1] : text_.size();
  const std::string_view word = text_.substr(position_, end - position_);
  position_ = end;
  return word;
}

}  // namespace bitmar::text_detail
