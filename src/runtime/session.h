// One user's conversation with a model: attention caches, the current image, an episodic memory, a workspace. For one
// thread at a time; cheap to open. Memory use is constant for a stream of any length, and nothing is allocated per
// token. Results have the same bits for any number of threads, and however a prompt is cut into calls.
//
//   BITMAR_TRY(Session session, Session::open(engine, {.memory = MemoryMode::kReadOnly, .threads = 2}));
//   BITMAR_TRY_VOID(session.set_image(photo));
//   BITMAR_TRY(auto logits, session.prefill(prompt_ids));              // [V], valid until the next call
//   BITMAR_TRY(logits, session.step(next_id));
//   BITMAR_TRY(const auto id, session.write_episode({.text = "a dog", .source = "dog.jpg", .time = current_time()}));
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/matrix_view.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "image/image.h"
#include "model/forward.h"
#include "runtime/engine.h"
#include "runtime/image_encoder.h"
#include "runtime/memory.h"

namespace bitmar {

enum class MemoryMode {
  kReadWrite,  // episodes move the usage and can be written
  kReadOnly,   // the memory is read and never changes: the same prompt gives the same bytes
  kOff,        // the ablation: r_t = 0
};

struct SessionOptions {
  MemoryMode memory = MemoryMode::kReadWrite;  // without effect on a model that has no memory
  std::size_t threads = 1;                     // the calling one included
};

// kOutOfRange: no number of threads that a session or a batch can have.
[[nodiscard]] Result<void> check_threads(std::size_t threads);

struct ImageFeatures {
  std::vector<float> values;  // [patches, width]
  std::size_t patches = 0;
  std::size_t width = 0;
  [[nodiscard]] MatrixView<const float> view() const { return {values, patches, width}; }
};

class Session {
 public:
  static Result<Session> open(std::shared_ptr<const Engine> engine, const SessionOptions& options = {});

  [[nodiscard]] const Engine& engine() const { return *engine_; }
  [[nodiscard]] const std::shared_ptr<const Engine>& shared_engine() const { return engine_; }
  [[nodiscard]] const SessionOptions& options() const { return options_; }
  [[nodiscard]] std::uint64_t position() const { return sequence_->position; }  // tokens in the context so far

  // The image that fusion attends to from the next token on.
  Result<void> set_image(const Image& photo);
  // The same from patch features [N, vision_width], finite, as the engine's tower or a .npy file gives them.
  Result<void> set_features(MatrixView<const float> features);
  void clear_image();
  [[nodiscard]] bool has_image() const { return context_->tokens() > 1; }
  // The image in the space of ContrastiveEncoder, a unit vector [d]; zeros without an image.
  [[nodiscard]] std::span<const float> image_direction() const { return context_->image_direction(); }
  // The tower alone: what set_image would give to set_features. kUnsupported: the engine has no tower.
  [[nodiscard]] Result<ImageFeatures> encode_image(const Image& photo);

  // kInvalidArgument where there are none, kOutOfRange where an id is outside the vocabulary.
  [[nodiscard]] Result<void> check_tokens(std::span<const TokenId> tokens) const;
  // Reads tokens, at least one.
  Result<void> read(std::span<const TokenId> tokens);
  // The same, and the logits [V] after the last one. They stay valid until the next call.
  Result<std::span<const float>> prefill(std::span<const TokenId> tokens);
  Result<std::span<const float>> step(TokenId token) { return prefill({&token, 1}); }
  // Reads tokens and shows the logits [V] after each: visit(index, logits), in order.
  using LogitsVisitor = std::function<void(std::size_t index, std::span<const float> logits)>;
  Result<void> score(std::span<const TokenId> tokens, const LogitsVisitor& visit);
  // The logits after the last token, computed when first asked for; empty at the start of a context.
  [[nodiscard]] std::span<const float> logits();
  // The token of the largest logit, the lowest of several; without computing all logits, where they are not there yet.
  // Not at the start of a context.
  [[nodiscard]] TokenId most_likely();

  // A new context: empty caches, position 0, a new episode that forgets what the unfinished one read. Keeps image and
  // memory.
  void reset();
  // A context that begins as a copy of `other`'s: its tokens and its unfinished episode. Both sessions are of one
  // engine; image and memory stay this one's own.
  void copy_context(Session& other);

  // The episode ends here and becomes part of the memory; the context goes on. Returns the episode's id. Errors:
  // kUnsupported where the model has no memory, kInvalidArgument where the session may not write or nothing was read.
  Result<std::uint64_t> write_episode(Provenance provenance);
  // The episode ends without a write; in a session that may write, the usage moves by what was read.
  void end_episode();
  // q-bar of the episode so far [C], and a_t of the last token [K]; empty before its first token or without memory.
  [[nodiscard]] std::span<const float> episode_query() const;
  [[nodiscard]] std::span<const float> memory_attention() const;

  // The memory and its journal. kUnsupported: the model has none, or it is off.
  [[nodiscard]] Result<const Memory*> memory();
  // To forget or edit. kInvalidArgument: the session may not write.
  [[nodiscard]] Result<Memory*> writable_memory();
  // Takes over a memory (a restored snapshot's) that was made for this engine.
  Result<void> set_memory(Memory memory);

  // Measures the stages of prefill() and step() from now on; null: no longer. The clock outlives its use here.
  void set_stage_clock(StageClock* clock) { workspace_->clock = clock; }

  // Bytes of caches and workspace.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  friend class Branches;
  friend class Continuations;
  friend class SessionBatch;
  // Tokens that run through the model together when a prompt is read; the caches keep that many answerable.
  static constexpr std::size_t kBatchTokens = 64;

  Session(std::shared_ptr<const Engine> engine, const SessionOptions& options);
  [[nodiscard]] const EpisodicMemory* readable_memory() const;
  // The next token of this session, for a batch.
  [[nodiscard]] TokenRow row_of(TokenId token);
  // Keeps what a forward run leaves of this session's last token, which stood in `row`; its logits go to logits_.
  void after_run(const Workspace& workspace, std::size_t row);
  // Runs one batch of at most kBatchTokens.
  void run(std::span<const TokenId> tokens);
  void set_context(MatrixView<const float> features);

  std::shared_ptr<const Engine> engine_;
  SessionOptions options_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<SequenceState> sequence_;
  std::unique_ptr<Workspace> workspace_;
  std::optional<FusionContext> context_;
  std::optional<ImageEncoder> encoder_;  // made at the first image
  std::optional<Memory> memory_;         // made at the first use; until then the engine's own is read
  std::vector<TokenRow> rows_;           // of a batch
  std::vector<float> logits_;            // [V]
  bool logits_current_ = false;          // they are those after the last token
  std::size_t last_row_ = 0;             // the last token's in the workspace
  std::vector<float> score_logits_;      // [kScoreRows, V], made at the first score()
  std::vector<float> last_attention_;    // a_t [K]
};

}  // namespace bitmar
