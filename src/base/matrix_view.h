// A row-major matrix that somebody else owns.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>

namespace bitmar {

template <typename T>
struct MatrixView {
  std::span<T> values;  // [rows * columns], rows one after the other
  std::size_t rows = 0;
  std::size_t columns = 0;

  MatrixView() = default;
  MatrixView(std::span<T> elements, std::size_t row_count, std::size_t column_count)
      : values(elements), rows(row_count), columns(column_count) {
    assert(elements.size() == row_count * column_count);
  }
  // A view of mutable values is also a view of const values.
  operator MatrixView<const T>() const { return {values, rows, columns}; }

  [[nodiscard]] std::span<T> row(std::size_t index) const { return values.subspan(index * columns, columns); }
  [[nodiscard]] MatrixView slice(std::size_t first, std::size_t count) const {
    return {values.subspan(first * columns, count * columns), count, columns};
  }
};

}  // namespace bitmar
