// How the sums of a matrix become outputs, eight at a time. Text for every instruction set that stands on AVX2.

namespace {

// Up to eight floats, missing ones 0; masked stores are slow, so the whole vector has its own path.
BITMAR_TARGET inline __m256 load_lanes(const float* values, std::size_t count) {
  return count >= 8 ? _mm256_loadu_ps(values) : _mm256_maskload_ps(values, first_lanes(static_cast<int>(count)));
}
BITMAR_TARGET inline void store_lanes(float* values, std::size_t count, __m256 v) {
  if (count >= 8) {
    _mm256_storeu_ps(values, v);
  } else {
    _mm256_maskstore_ps(values, first_lanes(static_cast<int>(count)), v);
  }
}

// The last rows of a matrix, fewer than eight; out of line, to keep its masks out of everyone's registers.
BITMAR_TARGET __attribute__((noinline)) void store_last_rows(const Output& out, std::size_t token, std::size_t row,
                                                             __m256 result) {
  if (row >= out.row_end) return;
  const std::size_t count = out.row_end - row;
  if (out.weights->bias != nullptr) result = _mm256_add_ps(result, load_lanes(out.weights->bias + row, count));
  store_lanes(out.values + token * out.weights->rows + row, count, result);
}

// Scales and stores the finished sums of rows [row, row + 8), as many as there are.
BITMAR_TARGET inline void store_rows(const Output& out, std::size_t token, std::size_t row, __m256i sums,
                                     __m256 scale) {
  __m256 result = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);
  if (row + 8 > out.row_end) [[unlikely]]
    return store_last_rows(out, token, row, result);
  if (out.weights->bias != nullptr) result = _mm256_add_ps(result, _mm256_loadu_ps(out.weights->bias + row));
  _mm256_storeu_ps(out.values + token * out.weights->rows + row, result);
}

}  // namespace
