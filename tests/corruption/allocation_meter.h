// How much memory a piece of code holds at its peak, counted by the operator new of this test program.
#pragma once

#include <cstddef>

namespace bitmar::testing {

class AllocationMeter {
 public:
  AllocationMeter();  // counts from here
  // The most bytes held at once since then, beyond what was held at the start.
  [[nodiscard]] std::size_t peak() const;

 private:
  std::size_t start_;
};

}  // namespace bitmar::testing
