#include "bandwidth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "best_of.h"
#include "kernels/aligned_buffer.h"

namespace bitmar::bench {
namespace {

constexpr std::size_t kBlock = 512;  // bytes of a round
// A run reads at least so much, to be longer than the clock's tick.
constexpr std::size_t kMinimumBytes = std::size_t{1} << 20;
constexpr std::size_t kMemoryBytes = std::size_t{128} << 20;
constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

#if defined(__x86_64__)

void read_zmm(const std::uint8_t* data, std::size_t blocks) {
  asm volatile(
      "1:\n"
      "vmovdqa64 (%0), %%zmm0\nvmovdqa64 64(%0), %%zmm1\nvmovdqa64 128(%0), %%zmm2\nvmovdqa64 192(%0), %%zmm3\n"
      "vmovdqa64 256(%0), %%zmm4\nvmovdqa64 320(%0), %%zmm5\nvmovdqa64 384(%0), %%zmm6\nvmovdqa64 448(%0), %%zmm7\n"
      "add $512, %0\ndec %1\njnz 1b\nvzeroupper\n"
      : "+r"(data), "+r"(blocks)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "cc", "memory");
}

void read_ymm(const std::uint8_t* data, std::size_t blocks) {
  asm volatile(
      "1:\n"
      "vmovdqa (%0), %%ymm0\nvmovdqa 32(%0), %%ymm1\nvmovdqa 64(%0), %%ymm2\nvmovdqa 96(%0), %%ymm3\n"
      "vmovdqa 128(%0), %%ymm4\nvmovdqa 160(%0), %%ymm5\nvmovdqa 192(%0), %%ymm6\nvmovdqa 224(%0), %%ymm7\n"
      "vmovdqa 256(%0), %%ymm0\nvmovdqa 288(%0), %%ymm1\nvmovdqa 320(%0), %%ymm2\nvmovdqa 352(%0), %%ymm3\n"
      "vmovdqa 384(%0), %%ymm4\nvmovdqa 416(%0), %%ymm5\nvmovdqa 448(%0), %%ymm6\nvmovdqa 480(%0), %%ymm7\n"
      "add $512, %0\ndec %1\njnz 1b\nvzeroupper\n"
      : "+r"(data), "+r"(blocks)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "cc", "memory");
}

#endif

void read_words(const std::uint8_t* data, std::size_t blocks) {
  std::uint64_t sums[8] = {};
  const auto* words = reinterpret_cast<const std::uint64_t*>(data);
  for (std::size_t i = 0; i < blocks * kBlock / sizeof(std::uint64_t); i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] ^= words[i + lane];
  }
  asm volatile("" : : "m"(sums));  // the reads must happen
}

using Read = void (*)(const std::uint8_t* data, std::size_t blocks);

// The widest loads of this processor.
Read widest_read() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return read_zmm;
  if (__builtin_cpu_supports("avx2")) return read_ymm;
#endif
  return read_words;
}

double gigabytes_per_second(Read read, std::span<const std::uint8_t> buffer) {
  const std::size_t passes = (kMinimumBytes + buffer.size() - 1) / buffer.size();
  const int runs = buffer.size() < kMemoryBytes ? 50 : 5;
  const double seconds = best_seconds(runs, [&] {
    for (std::size_t pass = 0; pass < passes; ++pass) read(buffer.data(), buffer.size() / kBlock);
  });
  return static_cast<double>(passes * buffer.size()) / seconds / 1e9;
}

struct Cache {
  std::string name;
  std::size_t bytes;
};

// The first core's, as Linux tells them; smallest first.
std::vector<Cache> data_caches() {
  std::vector<Cache> caches;
  for (int index = 0;; ++index) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    std::ifstream type_file(folder + "type"), level_file(folder + "level"), size_file(folder + "size");
    std::string type, level;
    std::size_t kibibytes = 0;
    if (!(type_file >> type && level_file >> level && size_file >> kibibytes)) return caches;  // "32K"
    if (type != "Instruction" && kibibytes > 0) caches.push_back({"L" + level, kibibytes * 1024});
  }
}

}  // namespace

std::vector<CacheLevel> measure_bandwidth() {
  AlignedBuffer<std::uint8_t> buffer(kMemoryBytes);
  std::ranges::fill(buffer.span(), std::uint8_t{1});
  const Read read = widest_read();
  std::vector<CacheLevel> levels;
  for (const auto& [name, size] : data_caches()) {
    // Beyond the smaller levels, and well within this one: the rest is the program's, and other cores'.
    const std::size_t wanted = levels.empty() ? kUnlimited : 4 * levels.back().bytes;
    const std::size_t bytes = std::min({size / 2, wanted, kMemoryBytes}) / kBlock * kBlock;
    levels.push_back({name, size, gigabytes_per_second(read, buffer.span().first(bytes))});
  }
  levels.push_back({"memory", kUnlimited, gigabytes_per_second(read, buffer.span())});
  return levels;
}

const CacheLevel& level_of(std::span<const CacheLevel> levels, std::size_t bytes) {
  for (const CacheLevel& level : levels) {
    if (bytes <= level.bytes) return level;
  }
  return levels.back();
}

}  // namespace bitmar::bench
