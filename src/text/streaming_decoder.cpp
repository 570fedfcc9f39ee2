#include "text/tokenizer.h"
#include "text/utf8.h"

namespace bitmar {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

std::string StreamingDecoder::push(TokenId id) {
  pending_ += tokenizer_.bytes(id);
  std::string ready;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const auto step = text_detail::next_utf8(rest);
    if (step.kind == text_detail::Utf8Kind::kIncomplete) break;
    ready += step.kind == text_detail::Utf8Kind::kComplete ? rest.substr(0, step.length) : kReplacement;
    rest.remove_prefix(step.length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return ready;
}

std::string StreamingDecoder::finish() {
  std::string ready(pending_.empty() ? std::string_view{} : kReplacement);
  pending_.clear();
  return ready;
}

}  // namespace bitmar
