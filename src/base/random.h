// The random generator of sampler, data order and augmentation: xoshiro256**, seeded by splitmix64. Its whole state
// is four words, so that a checkpoint or a session restores it exactly; the sequence is the same on every machine.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace bitmar {

// Wide enough for a full 64x64-bit product.
__extension__ using Wide = unsigned __int128;

class Random {
 public:
  using State = std::array<std::uint64_t, 4>;

  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9E3779B97F4A7C15u;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
      word = z ^ (z >> 31);
    }
  }
  explicit Random(const State& state) : state_(state) {}

  [[nodiscard]] const State& state() const { return state_; }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  // Uniform in [0, bound), without bias (Lemire 2019); bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    for (;;) {
      const auto wide = static_cast<Wide>(next()) * bound;
      if (static_cast<std::uint64_t>(wide) >= threshold) return static_cast<std::uint64_t>(wide >> 64);
    }
  }

  // Standard normal (Box-Muller, one of the pair).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  State state_{};
};

}  // namespace bitmar
