// Integer arithmetic that reports overflow instead of wrapping: every size that comes from a file goes through it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

namespace bitmar {

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_multiply(T a, T b) {
  if (b != 0 && a > std::numeric_limits<T>::max() / b) return std::nullopt;
  return static_cast<T>(a * b);
}

// The product of all factors, or nothing where it overflows. The product of none is 1.
template <typename Range>
[[nodiscard]] constexpr std::optional<std::uint64_t> checked_product(const Range& factors) {
  std::uint64_t product = 1;
  for (const auto factor : factors) {
    const auto next = checked_multiply<std::uint64_t>(product, static_cast<std::uint64_t>(factor));
    if (!next) return std::nullopt;
    product = *next;
  }
  return product;
}

template <std::integral To, std::integral From>
[[nodiscard]] constexpr std::optional<To> checked_cast(From value) {
  if (!std::in_range<To>(value)) return std::nullopt;
  return static_cast<To>(value);
}

}  // namespace bitmar
