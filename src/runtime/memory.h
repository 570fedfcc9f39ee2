// A session's episodic memory with its history: a base state and an ordered journal of episodes, whose replay over the
// base is the current state. So an episode can be forgotten or edited afterwards, and forgetting the newest one gives
// back the state before it bit for bit.
//
//   Memory memory(engine);
//   const std::uint64_t id = memory.write(mean_query, mean_attention, {.text = "our dog", .source = "dog.jpg"});
//   BITMAR_TRY_VOID(memory.forget(id));
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/episodic_memory.h"
#include "runtime/engine.h"

namespace bitmar {

// Where an episode came from.
struct Provenance {
  std::string text;
  std::string source;  // the file's name
  std::string time;    // ISO 8601, e.g. current_time()
  bool operator==(const Provenance&) const = default;
};

// Now, UTC: 2026-01-31T23:59:59Z.
[[nodiscard]] std::string current_time();

// One write.
struct Episode {
  std::uint64_t id = 0;
  std::vector<float> query;       // q-bar [C]
  std::vector<SlotWeight> slots;  // as written: at most m, weights sum to 1
  Provenance provenance;
  bool operator==(const Episode&) const = default;
};

// One entry of the journal: how reading moved the usage, then the write, if there was one. Consecutive entries without
// a write are kept as one.
struct JournalEntry {
  UsageMovement usage;
  std::optional<Episode> episode;
  bool operator==(const JournalEntry&) const = default;
};

struct EpisodeShare {
  std::uint64_t id;
  float weight;  // w_k
};

// What a slot holds.
struct SlotSummary {
  std::uint32_t slot;
  float usage;
  std::vector<EpisodeShare> episodes;  // of the journal, oldest first
};

class Memory {
 public:
  // Episodes that the journal keeps; an older one becomes part of the base and can no longer be forgotten.
  static constexpr std::size_t kJournalEpisodes = 1024;
  // Ids stay below this: they travel as numbers in JSON.
  static constexpr std::uint64_t kLargestId = std::uint64_t{1} << 53;

  // The engine's memory, which it must have, without a history.
  explicit Memory(std::shared_ptr<const Engine> engine);
  // As a snapshot restores it. Checks shapes, ranges and the order of entries and ids; errors do not name the file.
  static Result<Memory> restore(std::shared_ptr<const Engine> engine, MemoryState base,
                                std::vector<JournalEntry> journal, std::uint64_t next_id, std::uint64_t folded);

  // The same memory for another session.
  [[nodiscard]] Memory copy() const { return with_journal(engine_, base_, journal_, next_id_, folded_); }

  [[nodiscard]] const Engine& engine() const { return *engine_; }
  [[nodiscard]] const EpisodicMemory& current() const { return current_; }
  [[nodiscard]] const MemoryState& base() const { return base_; }
  [[nodiscard]] std::span<const JournalEntry> journal() const { return journal_; }
  [[nodiscard]] std::vector<const Episode*> episodes() const;  // oldest first
  [[nodiscard]] const Episode* find(std::uint64_t id) const;   // null: not in the journal
  [[nodiscard]] std::vector<SlotSummary> slots() const;        // [K]
  [[nodiscard]] std::uint64_t next_id() const { return next_id_; }
  [[nodiscard]] std::uint64_t folded() const { return folded_; }  // episodes that are part of the base now

  // An episode ended. query: q-bar [C]; mean_attention: a-bar [K], empty if nothing was read. Returns its id.
  std::uint64_t write(std::span<const float> query, std::span<const float> mean_attention, Provenance provenance);
  // An episode ended that writes nothing: only the usage moves.
  void note_reads(std::span<const float> mean_attention);
  // Removes an episode, its reads included. kNotFound: no such episode, or it is part of the base.
  Result<void> forget(std::uint64_t id);
  // Replaces what an episode wrote, at its place in the order, and where it came from.
  Result<void> edit(std::uint64_t id, std::span<const float> query, Provenance provenance);
  // Forgets all episodes of the journal and all movements of the usage since the base.
  void forget_all();

 private:
  Memory(std::shared_ptr<const Engine> engine, MemoryState base);
  static Memory with_journal(std::shared_ptr<const Engine> engine, MemoryState base, std::vector<JournalEntry> journal,
                             std::uint64_t next_id, std::uint64_t folded);
  [[nodiscard]] Result<std::size_t> index_of(std::uint64_t id) const;
  // The state after the first `entries` entries.
  [[nodiscard]] MemoryState replay(std::size_t entries) const;
  void refresh() { current_.assign(replay(journal_.size())); }
  void append(JournalEntry entry);

  std::shared_ptr<const Engine> engine_;
  MemoryState base_;
  std::vector<JournalEntry> journal_;
  std::uint64_t next_id_ = 1;
  std::uint64_t folded_ = 0;
  EpisodicMemory current_;
};

}  // namespace bitmar
