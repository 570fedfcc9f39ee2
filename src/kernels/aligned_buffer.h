// Owned memory at cache-line alignment, for packed weights and vectorised workspaces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
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
  AlignedBuffer(const AlignedBuffer& other) : AlignedBuffer(other.size_) {
    std::copy_n(other.elements_, other.size_, elements_);
  }
  AlignedBuffer& operator=(const AlignedBuffer& other) {
    if (this != &other) *this = AlignedBuffer(other);
    return *this;
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : memory_(std::move(other.memory_)),
        elements_(std::exchange(other.elements_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    memory_ = std::move(other.memory_);
    elements_ = std::exchange(other.elements_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  // Sets the size. Growing beyond the capacity allocates zeroed memory and drops the contents; otherwise the memory
  // stays as it is. A large buffer takes physical memory only where it is written.
  void resize(std::size_t count) {
    if (count > capacity_) allocate(count);
    size_ = count;
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T* data() { return elements_; }
  [[nodiscard]] const T* data() const { return elements_; }
  [[nodiscard]] std::span<T> span() { return {elements_, size_}; }
  [[nodiscard]] std::span<const T> span() const { return {elements_, size_}; }

 private:
  // calloc hands out fresh pages of the system as they are, which are zero without being written; so there is no memory
  // behind the rows of a cache that no token has reached.
  void allocate(std::size_t count) {
    memory_.reset();
    elements_ = nullptr;
    size_ = capacity_ = 0;
    if (count > (std::numeric_limits<std::size_t>::max() - kAlignment) / sizeof(T)) out_of_memory();
    std::size_t space = count * sizeof(T) + kAlignment;
    memory_.reset(std::calloc(space, 1));
    if (memory_ == nullptr) out_of_memory();
    void* place = memory_.get();
    elements_ = static_cast<T*>(std::align(kAlignment, count * sizeof(T), place, space));
    capacity_ = count;
  }

  // Where there are no exceptions, `new` ends the program as well.
  [[noreturn]] static void out_of_memory() {
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
  }

  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  T* elements_ = nullptr;  // the first aligned place in memory_
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace bitmar
