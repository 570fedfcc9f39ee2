// Where the time of a token goes. A forward pass that was given a clock tells it the end of each stage: one clock read,
// some tens of nanoseconds; without a clock it costs a comparison.
//
//   StageClock clock;
//   session.set_stage_clock(&clock);
//   clock.start();
//   BITMAR_TRY_VOID(session.read({&token, 1}));
//   token = session.most_likely();
//   clock.tick(Stage::kHead);                            // what the forward pass left
//   clock.total(Stage::kFusion)                          // over all tokens since the clock was made
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace bitmar {

// In the order in which a token passes them.
enum class Stage : std::size_t {
  kEmbedding,           // position, rotary angles, E[x]
  kEncoderAttention,    // all layers: norms, projections, attention over the cache
  kEncoderFeedForward,  // all layers
  kFusion,              // F: the encoder's last norm, attention to the image, fusion norm
  kMemoryRead,          // q, a and r
  kInjection,           // h0
  kDecoderAttention,    // all layers, with what conditions them on the memory
  kDecoderFeedForward,  // all layers
  kHead,                // the last norm, the head, the next token
};

inline constexpr std::array<std::string_view, 9> kStageNames = {
    "embedding", "encoder attention", "encoder feed-forward", "fusion", "memory read",
    "injection", "decoder attention", "decoder feed-forward", "head",
};

// The stages that a layer's two halves count as.
struct LayerStages {
  Stage attention;
  Stage feed_forward;
};
inline constexpr LayerStages kEncoderStages{Stage::kEncoderAttention, Stage::kEncoderFeedForward};
inline constexpr LayerStages kDecoderStages{Stage::kDecoderAttention, Stage::kDecoderFeedForward};

class StageClock {
 public:
  using Clock = std::chrono::steady_clock;

  // From here on time counts; before the first token, and after a pause.
  void start() { last_ = Clock::now(); }
  // What passed since the last call was `stage`.
  void tick(Stage stage) {
    const auto now = Clock::now();
    totals_[static_cast<std::size_t>(stage)] += now - last_;
    last_ = now;
  }
  [[nodiscard]] Clock::duration total(Stage stage) const { return totals_[static_cast<std::size_t>(stage)]; }

 private:
  Clock::time_point last_ = Clock::now();
  std::array<Clock::duration, kStageNames.size()> totals_{};
};

// For code that may have no clock.
inline void tick(StageClock* clock, Stage stage) {
  if (clock != nullptr) clock->tick(stage);
}

}  // namespace bitmar
