// Encodes texts for test_tokenizer.py: reads each as a 32-bit length and its bytes, writes the number of ids and the
// ids, all 32-bit little-endian.
//
//   tokenize_lines MERGES < texts > ids
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "text/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: tokenize_lines MERGES < texts > ids\n");
    return 2;
  }
  const auto tokenizer = bitmar::Tokenizer::from_merges_file(argv[1]);
  if (!tokenizer) {
    fmt::print(stderr, "{}\n", tokenizer.error().message);
    return 1;
  }
  std::string text;
  std::vector<bitmar::TokenId> ids;
  std::uint32_t length = 0;
  while (std::fread(&length, sizeof(length), 1, stdin) == 1) {
    text.resize(length);
    if (std::fread(text.data(), 1, length, stdin) != length) {
      fmt::print(stderr, "tokenize_lines: the input ends inside a text\n");
      return 1;
    }
    ids.clear();
    tokenizer->encode_append(text, ids);
    if (tokenizer->decode(ids) != text) {
      fmt::print(stderr, "tokenize_lines: a text of {} bytes does not decode to itself\n", length);
      return 1;
    }
    const auto count = static_cast<std::uint32_t>(ids.size());
    std::fwrite(&count, sizeof(count), 1, stdout);
    std::fwrite(ids.data(), sizeof(ids[0]), ids.size(), stdout);
  }
  return 0;
}
