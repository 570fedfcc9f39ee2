// Owned memory at cache-line alignment, for packed weights and vectorised workspaces.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace bitmar {

template <typename T>
requires std::is_trivially_copyable_v<T>
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t count) { resize(count); }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : elements_(std::move(other.elements_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    elements_ = std::move(other.elements_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  // Sets the size. Growing beyond the capacity allocates zeroed memory and drops the contents; otherwise the memory
  // stays as it is.
  void resize(std::size_t count) {
    if (count > capacity_) {
      elements_.reset(new (std::align_val_t{kAlignment}) T[count]());
      capacity_ = count;
    }
    size_ = count;
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T* data() { return elements_.get(); }
  [[nodiscard]] const T* data() const { return elements_.get(); }
  [[nodiscard]] std::span<T> span() { return {elements_.get(), size_}; }
  [[nodiscard]] std::span<const T> span() const { return {elements_.get(), size_}; }

 private:
  struct Free {
    void operator()(T* elements) const { ::operator delete[](elements, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<T[], Free> elements_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace bitmar
