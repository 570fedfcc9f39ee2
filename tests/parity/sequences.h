// The files that trainer_logits and runtime_logits share with test_trainer_runtime.py: token sequences and the features
// of one photo in, logits out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/npy.h"

namespace bitmar::parity {

struct Sequences {
  std::size_t rows = 0;
  std::size_t length = 0;
  std::vector<std::uint32_t> tokens;  // [rows, length]
  std::size_t patches = 0;
  std::size_t width = 0;
  std::vector<float> features;  // [patches, width]
};

// `tokens_path`: U32 [rows, length]. `features_path`: F32 [patches, width].
inline Result<Sequences> read_sequences(const std::string& tokens_path, const std::string& features_path) {
  Sequences result;
  BITMAR_TRY(const NpyFile tokens, NpyFile::open(tokens_path));
  if (tokens.type() != DataType::kU32 || tokens.shape().size() != 2) {
    return fail(ErrorCode::kInvalidFile, "{}: expected U32 [rows, length]", tokens_path);
  }
  result.rows = tokens.shape()[0];
  result.length = tokens.shape()[1];
  result.tokens.resize(result.rows * result.length);
  std::memcpy(result.tokens.data(), tokens.bytes().data(), tokens.bytes().size());

  BITMAR_TRY(const NpyFile features, NpyFile::open(features_path));
  if (features.type() != DataType::kF32 || features.shape().size() != 2) {
    return fail(ErrorCode::kInvalidFile, "{}: expected F32 [patches, width]", features_path);
  }
  result.patches = features.shape()[0];
  result.width = features.shape()[1];
  result.features.resize(result.patches * result.width);
  std::memcpy(result.features.data(), features.bytes().data(), features.bytes().size());
  return result;
}

// F32 [rows * length, vocabulary], a row a token.
inline Result<NpyWriter> create_logits(const std::string& path, const Sequences& sequences, std::uint64_t vocabulary) {
  return NpyWriter::create(path, DataType::kF32, {sequences.rows * sequences.length, vocabulary}, false);
}

}  // namespace bitmar::parity
