#include "allocation_meter.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {

// Operator new has no other place to keep them; the tests are single-threaded.
std::size_t held_now = 0;
std::size_t held_peak = 0;

}  // namespace

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const memory = std::malloc(size);
  if (memory == nullptr) return nullptr;
  held_now += malloc_usable_size(memory);
  held_peak = std::max(held_peak, held_now);
  return memory;
}

void* operator new(std::size_t size) {
  void* const memory = operator new(size, std::nothrow);
  if (memory == nullptr) std::abort();  // not an exception: WASI has none
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  held_now -= malloc_usable_size(memory);
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

namespace bitmar::testing {

AllocationMeter::AllocationMeter() : start_(held_now) {
  held_peak = held_now;
}

std::size_t AllocationMeter::peak() const {
  return held_peak - start_;
}

}  // namespace bitmar::testing
