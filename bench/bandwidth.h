// How fast one thread reads from each level of cache and from memory, measured.
//
//   const std::vector<CacheLevel> levels = measure_bandwidth();
//   level_of(levels, weights.memory_bytes()).gigabytes_per_second   // the bound of a kernel that reads them once a
//   call
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace bitmar::bench {

struct CacheLevel {
  std::string name;   // "L1", "L2", "L3", "memory"
  std::size_t bytes;  // its size; of memory, without limit
  double gigabytes_per_second;
};

// Smallest first; caches that the system does not tell are left out. Under a second.
[[nodiscard]] std::vector<CacheLevel> measure_bandwidth();

// The smallest level that holds so many bytes.
[[nodiscard]] const CacheLevel& level_of(std::span<const CacheLevel> levels, std::size_t bytes);

}  // namespace bitmar::bench
