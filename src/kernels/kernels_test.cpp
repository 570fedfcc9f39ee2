#include "kernels/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace bitmar {
namespace {

// Sets BITMAR_ISA for one test and restores what was there.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* value) {
    if (const char* old = std::getenv("BITMAR_ISA")) old_ = old;
    set(value);
  }
  ~ForcedIsa() { set(old_.empty() ? nullptr : old_.c_str()); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  static void set(const char* value) {
    if (value == nullptr) {
      unsetenv("BITMAR_ISA");
    } else {
      setenv("BITMAR_ISA", value, 1);
    }
  }
  std::string old_;
};

TEST(Kernels, ScalarAlwaysComesFirst) {
  ASSERT_FALSE(available_kernels().empty());
  EXPECT_STREQ(available_kernels().front()->name, "scalar");
  EXPECT_EQ(available_kernels().front(), &scalar_kernels());
}

#if defined(__x86_64__)
TEST(Kernels, Avx2IsAvailableExactlyWhereTheProcessorHasIt) {
  const bool expected = __builtin_cpu_supports("avx2");
  const auto kernels = select_kernels("avx2");
  ASSERT_EQ(kernels.has_value(), expected);
  if (expected) {
    EXPECT_STREQ((*kernels)->name, "avx2");
  }
}

TEST(Kernels, AvxVnniIsAvailableExactlyWhereTheProcessorHasIt) {
  const bool expected = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avxvnni");
  const auto kernels = select_kernels("avxvnni");
  ASSERT_EQ(kernels.has_value(), expected);
  if (expected) {
    EXPECT_STREQ((*kernels)->name, "avxvnni");
  }
}

TEST(Kernels, Avx512Of256BitsIsAvailableExactlyWhereTheProcessorHasVnniForThem) {
  const bool expected = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  const auto kernels = select_kernels("avx512vnni-256");
  ASSERT_EQ(kernels.has_value(), expected);
  if (expected) {
    EXPECT_STREQ((*kernels)->name, "avx512vnni-256");
    EXPECT_NE(available_kernels().back(), *kernels);  // never the default
  }
}

TEST(Kernels, Avx512IsAvailableExactlyWhereTheProcessorHasVnni) {
  const bool expected = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  const auto kernels = select_kernels("avx512vnni");
  ASSERT_EQ(kernels.has_value(), expected);
  if (expected) {
    EXPECT_STREQ((*kernels)->name, "avx512vnni");
  }
}
#endif

#if defined(__aarch64__)
TEST(Kernels, NeonIsAlwaysAvailable) {
  const auto kernels = select_kernels("neon");
  ASSERT_TRUE(kernels.has_value()) << kernels.error().message;
  EXPECT_STREQ((*kernels)->name, "neon");
}
#endif

#if defined(__aarch64__) && defined(__linux__)
TEST(Kernels, NeonDotprodIsAvailableExactlyWhereTheProcessorHasIt) {
  const bool expected = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  const auto kernels = select_kernels("neon-dotprod");
  ASSERT_EQ(kernels.has_value(), expected);
  if (expected) {
    EXPECT_STREQ((*kernels)->name, "neon-dotprod");
  }
}

TEST(Kernels, NeonI8mmIsAvailableExactlyWhereTheProcessorHasIt) {
  const bool expected = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0 && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
  const auto kernels = select_kernels("neon-i8mm");
  ASSERT_EQ(kernels.has_value(), expected);
  if (expected) {
    EXPECT_STREQ((*kernels)->name, "neon-i8mm");
  }
}
#endif

#if defined(__wasm_simd128__)
TEST(Kernels, WasmIsAvailableWhereTheBuildHasSimd) {
  const auto kernels = select_kernels("wasm");
  ASSERT_TRUE(kernels.has_value()) << kernels.error().message;
  EXPECT_STREQ((*kernels)->name, "wasm");
}
#endif

TEST(Kernels, EveryAvailableNameSelectsItself) {
  for (const Kernels* table : available_kernels()) {
    const auto kernels = select_kernels(table->name);
    ASSERT_TRUE(kernels.has_value()) << kernels.error().message;
    EXPECT_EQ(*kernels, table);
  }
}

TEST(Kernels, EveryTableIsComplete) {
  for (const Kernels* table : available_kernels()) {
    SCOPED_TRACE(table->name);
    EXPECT_GT(table->row_granule, 0u);
    // Nothing but pointers, the granule that is not 0 either, and one entry that may be.
    constexpr std::size_t kMayBeZero = offsetof(Kernels, key_flip) / sizeof(void*);
    static_assert(sizeof(Kernels) % sizeof(void*) == 0);
    std::array<std::uintptr_t, sizeof(Kernels) / sizeof(void*)> entries{};
    std::memcpy(entries.data(), table, sizeof(Kernels));
    for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_TRUE(entries[i] != 0 || i == kMayBeZero) << i;
  }
}

TEST(Kernels, EmptyNameSelectsTheFastest) {
  const auto kernels = select_kernels("");
  ASSERT_TRUE(kernels.has_value());
  EXPECT_EQ(*kernels, available_kernels().back());
}

TEST(Kernels, UnknownNameListsWhatThereIs) {
  const auto kernels = select_kernels("avx1024");
  ASSERT_FALSE(kernels.has_value());
  EXPECT_EQ(kernels.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(kernels.error().message, testing::HasSubstr("avx1024"));
  for (const Kernels* table : available_kernels()) {
    EXPECT_THAT(kernels.error().message, testing::HasSubstr(table->name));
  }
}

TEST(Kernels, EnvironmentVariableForcesTheInstructionSet) {
  for (const Kernels* table : available_kernels()) {
    const ForcedIsa forced(table->name);
    const auto kernels = default_kernels();
    ASSERT_TRUE(kernels.has_value());
    EXPECT_EQ(*kernels, table);
  }
  for (const char* unset : {static_cast<const char*>(nullptr), ""}) {
    const ForcedIsa forced(unset);
    const auto kernels = default_kernels();
    ASSERT_TRUE(kernels.has_value());
    EXPECT_EQ(*kernels, available_kernels().back());
  }
  const ForcedIsa forced("mmx");
  const auto kernels = default_kernels();
  ASSERT_FALSE(kernels.has_value());
  EXPECT_THAT(kernels.error().message, testing::HasSubstr("BITMAR_ISA"));
}

TEST(Kernels, SelfTestPassesForEveryTable) {
  for (const Kernels* table : available_kernels()) {
    const auto result = self_test(*table);
    EXPECT_TRUE(result.has_value()) << result.error().message;
  }
}

TEST(Kernels, SelfTestRefusesATernaryTableThatIsOffByOne) {
  Kernels broken = scalar_kernels();
  broken.name = "broken";
  broken.ternary_linear = [](const PackedMatrix* weights, const ActivationRows* x, std::size_t begin, std::size_t end,
                             float* out) {
    scalar_kernels().ternary_linear(weights, x, begin, end, out);
    if (weights->rows == 97) out[6 * 97 + 96] += 1.0f;  // one element of one tile
  };
  const auto result = self_test(broken);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, testing::HasSubstr("broken"));
}

TEST(Kernels, SelfTestRefusesFloatsThatAreOffByTheLastPlace) {
  Kernels broken = scalar_kernels();
  broken.gelu = [](const float* x, std::size_t count, float* out) {
    scalar_kernels().gelu(x, count, out);
    out[count - 1] = std::nextafter(out[count - 1], 1.0f);
  };
  EXPECT_FALSE(self_test(broken).has_value());
  broken = scalar_kernels();
  broken.attend = [](const AttentionRange* ranges, std::size_t count, std::size_t width, float* scratch, float* out,
                     float* probabilities) {
    scalar_kernels().attend(ranges, count, width, scratch, out, probabilities);
    out[0] = std::nextafter(out[0], 1.0f);
  };
  EXPECT_FALSE(self_test(broken).has_value());
}

TEST(Kernels, SelfTestRefusesSumsOverAVocabularyThatLeaveOutTheLastLogits) {
  Kernels broken = scalar_kernels();
  broken.exponential_sums = [](const float* x, std::size_t count, double largest, double factor, float pivot,
                               double* all, double* not_below) {
    scalar_kernels().exponential_sums(x, count / 16 * 16, largest, factor, pivot, all, not_below);
  };
  EXPECT_FALSE(self_test(broken).has_value());
  broken = scalar_kernels();
  broken.rough_exponential_sums = [](const float* x, std::size_t count, float largest, float factor, float pivot,
                                     double* all, double* not_below) {
    scalar_kernels().rough_exponential_sums(x, count, largest, factor, std::nextafter(pivot, 100.0f), all, not_below);
  };
  EXPECT_FALSE(self_test(broken).has_value());
  broken = scalar_kernels();
  broken.rough_exponentials = [](const float* x, std::size_t count, float largest, float factor, float* out) {
    scalar_kernels().rough_exponentials(x, count, largest, factor, out);
    out[count - 1] = std::nextafter(out[count - 1], 1.0f);
  };
  EXPECT_FALSE(self_test(broken).has_value());
  broken = scalar_kernels();
  broken.column_maxima = [](const float* values, std::size_t rows, float* maxima) {
    scalar_kernels().column_maxima(values, rows - 1, maxima);
  };
  EXPECT_FALSE(self_test(broken).has_value());
}

TEST(Kernels, SelfTestRefusesAnInt8TableThatSaturates) {
  Kernels broken = scalar_kernels();
  broken.int8_linear = [](const PackedMatrix* weights, const ActivationRows* x, std::size_t begin, std::size_t end,
                          float* out) {
    scalar_kernels().int8_linear(weights, x, begin, end, out);
    for (std::size_t i = begin; i < end; ++i) out[i] = out[i] > 32767.0f ? 32767.0f : out[i];
  };
  EXPECT_FALSE(self_test(broken).has_value());
}

}  // namespace
}  // namespace bitmar
