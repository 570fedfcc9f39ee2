// Shared by the AVX2 files only: the functions that make up the table, and the few vector helpers that more than one
// file needs, all with internal linkage.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/kernel_table.h"

// Only functions marked so may hold AVX2 instructions; the rest of the program stays baseline.
#define BITMAR_AVX2 __attribute__((target("avx2,fma")))

namespace bitmar::avx2 {

// avx2_ternary.cpp
std::size_t ternary_packed_bytes(std::size_t rows, std::size_t columns);
void ternary_pack(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed);
void ternary_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin, std::size_t row_end,
                    float* out);
float quantize_row(const float* x, std::size_t columns, std::size_t stride, std::int8_t* codes,
                   std::int16_t* column_sums);

// avx2_dense.cpp
std::size_t int8_packed_bytes(std::size_t rows, std::size_t columns);
void int8_pack(const std::int8_t* codes, std::size_t rows, std::size_t columns, std::uint8_t* packed);
void int8_linear(const PackedMatrix* weights, const ActivationRows* x, std::size_t row_begin, std::size_t row_end,
                 float* out);
std::size_t float_packed_bytes(std::size_t rows, std::size_t columns);
void float_pack(const float* weights, std::size_t rows, std::size_t columns, std::uint8_t* packed);
void float_linear(const PackedMatrix* weights, const float* x, std::size_t tokens, std::size_t row_begin,
                  std::size_t row_end, float* out);

// avx2_ops.cpp
void layer_norm_row(const float* x, const float* gain, const float* bias, float epsilon, std::size_t count, float* out);
void gelu(const float* x, std::size_t count, float* out);
void silu(const float* x, std::size_t count, float* out);
void relu(const float* x, std::size_t count, float* out);
void add(const float* a, const float* b, std::size_t count, float* out);
void multiply(const float* a, const float* b, std::size_t count, float* out);
void axpy(float alpha, const float* x, std::size_t count, float* y);
void dequantize(const std::int8_t* codes, float scale, std::size_t count, float* out);
void softmax(float* values, std::size_t count);

// avx2_attention.cpp
float dot(const float* a, const float* b, std::size_t count);
std::size_t index_of_max(const float* values, std::size_t count);
void attention_scores(const float* query, const float* keys, std::size_t stride, std::size_t count, std::size_t width,
                      float scale, float* scores);
void weighted_sum(const float* weights, const float* values, std::size_t stride, std::size_t count, std::size_t width,
                  float* out);
void rotate(float* values, std::size_t heads, std::size_t head_width, const float* cosines, const float* sines);

// Lanes [0, count) on; count above 8 counts as 8.
BITMAR_AVX2 [[maybe_unused]] static inline __m256i first_lanes(std::size_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < 8 ? static_cast<int>(count) : 8), lane);
}

// Up to eight floats, missing ones 0; masked stores are slow, so the whole vector has its own path.
BITMAR_AVX2 [[maybe_unused]] static inline __m256 load_lanes(const float* values, std::size_t count) {
  return count >= 8 ? _mm256_loadu_ps(values) : _mm256_maskload_ps(values, first_lanes(count));
}

BITMAR_AVX2 [[maybe_unused]] static inline void store_lanes(float* values, std::size_t count, __m256 v) {
  if (count >= 8) {
    _mm256_storeu_ps(values, v);
  } else {
    _mm256_maskstore_ps(values, first_lanes(count), v);
  }
}

// Four bytes in every lane.
BITMAR_AVX2 [[maybe_unused]] static inline __m256i broadcast4(const void* bytes) {
  int word;
  __builtin_memcpy(&word, bytes, sizeof word);
  return _mm256_set1_epi32(word);
}

// ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)).
BITMAR_AVX2 [[maybe_unused]] static inline float sum_lanes(__m256 v) {
  const __m256 pairs = _mm256_hadd_ps(v, v);
  const __m256 quads = _mm256_hadd_ps(pairs, pairs);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(quads), _mm256_extractf128_ps(quads, 1)));
}

}  // namespace bitmar::avx2

#endif
