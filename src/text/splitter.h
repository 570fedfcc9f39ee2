// GPT-2's pattern cuts text into words, inside which merges happen: contractions, runs of letters, of digits, of other
// marks, each with the space before it, and white space.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;

namespace bitmar::text_detail {

// The compiled pattern; threads share it.
class SplitPattern {
 public:
  static Result<SplitPattern> compile();

 private:
  friend class Splitter;
  struct Delete {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Delete> code_;
};

// Walks over one text of valid UTF-8 at a time; belongs to one thread.
//
//   Splitter splitter(pattern);
//   splitter.start(text);
//   while (!(word = splitter.next()).empty()) ...
class Splitter {
 public:
  explicit Splitter(const SplitPattern& pattern);

  void start(std::string_view text) { text_ = text, position_ = 0; }
  // The next word, empty at the end. The words together are the text.
  [[nodiscard]] std::string_view next();

 private:
  struct Delete {
    void operator()(pcre2_real_match_data_8* data) const;
  };
  const SplitPattern& pattern_;
  std::unique_ptr<pcre2_real_match_data_8, Delete> match_;
  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace bitmar::text_detail
