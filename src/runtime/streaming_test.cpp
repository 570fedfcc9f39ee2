// A stream far longer than the window.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <vector>

#include "runtime/session.h"
#include "tests/corruption/allocation_meter.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using testing::random_engine;
using testing::random_features;
using testing::random_tokens;
using testing::small_config;

constexpr std::size_t kStream = 100'000;

// Bytes of this process that are resident.
std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Streaming, MemoryIsFlatOverAHundredThousandTokens) {
  const auto engine = random_engine(small_config(), 5);
  Session session = Session::open(engine).value();
  const std::vector<float> features = random_features(engine->config(), 16, 5);
  ASSERT_TRUE(session.set_features({features, 16, engine->config().vision_width}));
  const std::vector<TokenId> tokens = random_tokens(engine->config(), kStream, 6);
  // One batch of each kind brings every buffer into being.
  ASSERT_TRUE(session.prefill(std::span(tokens).first(500)));
  ASSERT_TRUE(session.step(tokens[0]));
  const std::size_t reported = session.memory_bytes();
  const std::size_t resident = resident_bytes();
  const testing::AllocationMeter meter;
  bool finite = true;
  for (std::size_t i = 0; i < kStream; i += 200) {
    // Half of the stream as a prompt, half token by token.
    const auto piece = std::span(tokens).subspan(i, 100);
    finite &= session.prefill(piece).has_value();
    for (const TokenId token : piece) finite &= session.step(token).has_value();
    finite &= std::ranges::all_of(session.logits(), [](float logit) { return std::isfinite(logit); });
  }
  EXPECT_EQ(meter.peak(), 0u);  // nothing is allocated per token
  EXPECT_TRUE(finite);
  EXPECT_EQ(session.memory_bytes(), reported);
  EXPECT_EQ(session.position(), 501 + kStream);
  // A cache that grew by these tokens would hold 4 layers * 2 * 8 floats of each: 25 MB.
  EXPECT_LE(resident_bytes(), resident + (std::size_t{1} << 20));
}

// With sinks and window alike, the position in the stream does not matter but for the rounding of rotated keys and
// queries to codes: the same tail after 40 tokens and after 20,000 differs no more than after 40 and after 140. No key
// is ever rotated again, so nothing drifts. (Without memory: its query is a mean over all of the stream.)
TEST(Streaming, LogitsDoNotDriftWithThePosition) {
  const auto engine = random_engine(small_config(), 5);
  const SessionOptions options{.memory = MemoryMode::kOff};
  const std::vector<TokenId> start = random_tokens(engine->config(), 4, 7);
  const std::vector<TokenId> stream = random_tokens(engine->config(), kStream, 8);
  // Four layers that see 5 tokens each reach back 16; the first tokens are the sinks.
  const std::vector<TokenId> tail = random_tokens(engine->config(), 400, 9);
  const auto logits_after = [&](std::size_t streamed) {
    Session session = Session::open(engine, options).value();
    EXPECT_TRUE(session.prefill(start));
    EXPECT_TRUE(session.prefill(std::span(stream).first(streamed)));
    std::vector<std::vector<float>> rows;
    for (const TokenId token : tail) {
      const auto logits = session.step(token).value();
      rows.emplace_back(logits.begin(), logits.end());
    }
    return rows;
  };
  // The root of the mean squared difference, from the token on that reaches nothing of the stream.
  const auto distance = [](const auto& a, const auto& b) {
    double squares = 0;
    for (std::size_t i = 20; i < a.size(); ++i) {
      for (std::size_t k = 0; k < a[i].size(); ++k) {
        const double difference = static_cast<double>(a[i][k]) - static_cast<double>(b[i][k]);
        squares += difference * difference;
      }
    }
    return std::sqrt(squares / static_cast<double>((a.size() - 20) * a.front().size()));
  };
  const auto early = logits_after(40);
  const double near = distance(early, logits_after(140));
  const double far = distance(early, logits_after(kStream));
  EXPECT_LE(far, 1.5 * near);
  const double size = distance(early, std::vector(early.size(), std::vector<float>(early.front().size())));
  EXPECT_LE(near, 0.2 * size);
}

}  // namespace
}  // namespace bitmar
