// What the tests of the text layer share; no part of the library.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace bitmar::testing {

inline Tokenizer gpt2_tokenizer() {
  return Tokenizer::from_merges_file(BITMAR_SOURCE_DIR "/models/gpt2-merges.txt").value();
}

inline std::string from_hex(std::string_view hex) {
  std::string text;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    text.push_back(static_cast<char>(byte));
  }
  return text;
}

// The lines "input, tab, output" of a file that tests/goldens/text/make_goldens.py makes.
inline std::vector<std::pair<std::string, std::string>> golden_lines(const std::string& name) {
  std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/text/" + name);
  EXPECT_TRUE(file) << name;
  std::vector<std::pair<std::string, std::string>> lines;
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    lines.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  return lines;
}

}  // namespace bitmar::testing
