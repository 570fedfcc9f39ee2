#include "runtime/memory.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <utility>

namespace bitmar {
namespace {

// Far beyond what a norm gives, and small enough that sums of squares and products stay finite in FP32.
constexpr float kLargestValue = 1e9f;

bool all_bounded(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return std::abs(value) <= kLargestValue; });
}

Result<void> check_state(const ModelConfig& config, const MemoryState& state) {
  const std::size_t slots = config.memory_slots;
  if (state.slots.size() != slots * config.width || state.usage.size() != slots) {
    return fail(ErrorCode::kInvalidFile, "the base holds {} slot values and {} usages; the model expects {} and {}",
                state.slots.size(), state.usage.size(), slots * config.width, slots);
  }
  if (!all_bounded(state.slots)) {
    return fail(ErrorCode::kInvalidFile, "the base holds a value that is not within ±{:g}", kLargestValue);
  }
  if (!std::ranges::all_of(state.usage, [](float usage) { return usage >= 0.0f && usage <= 1.0f; })) {
    return fail(ErrorCode::kInvalidFile, "the base holds a usage outside [0, 1]");
  }
  return {};
}

Result<void> check_movement(const ModelConfig& config, const UsageMovement& usage) {
  if (usage.offset.empty()) return {};
  const auto fraction = [](float value) { return value >= 0.0f && value <= 1.0f; };
  if (usage.offset.size() != config.memory_slots || !fraction(usage.factor) ||
      !std::ranges::all_of(usage.offset, fraction)) {
    return fail(ErrorCode::kInvalidFile, "a movement of the usage is not {} values in [0, 1]", config.memory_slots);
  }
  return {};
}

Result<void> check_episode(const ModelConfig& config, const Episode& episode) {
  if (episode.query.size() != config.width || !all_bounded(episode.query)) {
    return fail(ErrorCode::kInvalidFile, "episode {}: its query is not {} values within ±{:g}", episode.id,
                config.width, kLargestValue);
  }
  if (episode.slots.empty() || episode.slots.size() > config.memory_slots) {
    return fail(ErrorCode::kInvalidFile, "episode {}: it wrote {} slots; expected 1 to {}", episode.id,
                episode.slots.size(), config.memory_slots);
  }
  std::vector<bool> seen(config.memory_slots);
  for (const auto& [slot, weight] : episode.slots) {
    if (slot >= config.memory_slots || seen[slot]) {
      return fail(ErrorCode::kInvalidFile, "episode {}: slot {} is out of range or occurs twice", episode.id, slot);
    }
    seen[slot] = true;
    // A slot's weight may underflow to 0; the largest cannot.
    if (!(weight >= 0.0f && weight <= 1.0f) || !(episode.slots.front().weight > 0.0f)) {
      return fail(ErrorCode::kInvalidFile, "episode {}: slot {} has weight {}; expected a value in [0, 1]", episode.id,
                  slot, weight);
    }
  }
  return {};
}

void apply_entry(const ModelConfig& config, const JournalEntry& entry, MemoryState& state) {
  entry.usage.apply(state.usage);
  if (entry.episode) apply_write(config, entry.episode->query, entry.episode->slots, state);
}

}  // namespace

std::string current_time() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

Memory::Memory(std::shared_ptr<const Engine> engine, MemoryState base)
    : engine_(std::move(engine)), base_(std::move(base)), current_(engine_->model(), base_) {}

Memory::Memory(std::shared_ptr<const Engine> engine) : Memory(engine, engine->memory()->state()) {}

Result<Memory> Memory::restore(std::shared_ptr<const Engine> engine, MemoryState base,
                               std::vector<JournalEntry> journal, std::uint64_t next_id, std::uint64_t folded) {
  if (engine->memory() == nullptr) return fail(ErrorCode::kUnsupported, "{} has no memory", engine->name());
  const ModelConfig& config = engine->config();
  BITMAR_TRY_VOID(check_state(config, base));
  if (next_id < 1 || next_id > kLargestId) {
    return fail(ErrorCode::kInvalidFile, "the next id is {}; expected 1 to {}", next_id, kLargestId);
  }
  std::uint64_t last_id = 0;
  std::size_t episodes = 0;
  bool previous_writes = true;
  for (const JournalEntry& entry : journal) {
    BITMAR_TRY_VOID(check_movement(config, entry.usage));
    if (!previous_writes && !entry.episode) {
      return fail(ErrorCode::kInvalidFile, "the journal holds two entries without a write in a row");
    }
    previous_writes = entry.episode.has_value();
    if (!entry.episode) continue;
    BITMAR_TRY_VOID(check_episode(config, *entry.episode));
    if (entry.episode->id <= last_id || entry.episode->id >= next_id) {
      return fail(ErrorCode::kInvalidFile, "episode {} stands out of order", entry.episode->id);
    }
    last_id = entry.episode->id;
    ++episodes;
  }
  if (episodes > kJournalEpisodes) {
    return fail(ErrorCode::kInvalidFile, "the journal holds {} episodes; at most {} are kept", episodes,
                kJournalEpisodes);
  }
  // Each had an id of its own.
  if (folded >= next_id || episodes >= next_id - folded) {
    return fail(ErrorCode::kInvalidFile, "{} episodes and {} folded ones cannot have ids below {}", episodes, folded,
                next_id);
  }
  return with_journal(std::move(engine), std::move(base), std::move(journal), next_id, folded);
}

Memory Memory::with_journal(std::shared_ptr<const Engine> engine, MemoryState base, std::vector<JournalEntry> journal,
                            std::uint64_t next_id, std::uint64_t folded) {
  Memory memory(std::move(engine), std::move(base));
  memory.journal_ = std::move(journal);
  memory.next_id_ = next_id;
  memory.folded_ = folded;
  memory.refresh();
  return memory;
}

MemoryState Memory::replay(std::size_t entries) const {
  MemoryState state = base_;
  for (const JournalEntry& entry : std::span(journal_).first(entries)) apply_entry(engine_->config(), entry, state);
  return state;
}

std::vector<const Episode*> Memory::episodes() const {
  std::vector<const Episode*> found;
  for (const JournalEntry& entry : journal_) {
    if (entry.episode) found.push_back(&*entry.episode);
  }
  return found;
}

Result<std::size_t> Memory::index_of(std::uint64_t id) const {
  for (std::size_t index = 0; index < journal_.size(); ++index) {
    if (journal_[index].episode && journal_[index].episode->id == id) return index;
  }
  return fail(ErrorCode::kNotFound, "no episode {} in the memory's journal of {}", id, episodes().size());
}

const Episode* Memory::find(std::uint64_t id) const {
  const auto index = index_of(id);
  return index ? &*journal_[*index].episode : nullptr;
}

std::vector<SlotSummary> Memory::slots() const {
  const std::vector<float>& usage = current_.state().usage;
  std::vector<SlotSummary> summaries(usage.size());
  for (std::uint32_t slot = 0; slot < summaries.size(); ++slot) summaries[slot] = {slot, usage[slot], {}};
  for (const Episode* episode : episodes()) {
    for (const auto& [slot, weight] : episode->slots) summaries[slot].episodes.push_back({episode->id, weight});
  }
  return summaries;
}

void Memory::append(JournalEntry entry) {
  journal_.push_back(std::move(entry));
  const auto holds_episode = [](const JournalEntry& held) { return held.episode.has_value(); };
  auto excess = static_cast<std::size_t>(std::ranges::count_if(journal_, holds_episode));
  for (; excess > kJournalEpisodes; --excess) {
    const auto oldest = std::ranges::find_if(journal_, holds_episode) + 1;
    base_ = replay(static_cast<std::size_t>(oldest - journal_.begin()));
    journal_.erase(journal_.begin(), oldest);
    ++folded_;
  }
  refresh();
}

std::uint64_t Memory::write(std::span<const float> query, std::span<const float> mean_attention,
                            Provenance provenance) {
  JournalEntry entry;
  std::vector<float> usage = current_.state().usage;
  if (!mean_attention.empty()) {
    entry.usage = UsageMovement::of_episode(engine_->config(), mean_attention);
    entry.usage.apply(usage);
  }
  const std::uint64_t id = next_id_++;
  entry.episode =
      Episode{id, {query.begin(), query.end()}, address_write(engine_->model(), query, usage), std::move(provenance)};
  append(std::move(entry));
  return id;
}

void Memory::note_reads(std::span<const float> mean_attention) {
  auto movement = UsageMovement::of_episode(engine_->config(), mean_attention);
  if (!journal_.empty() && !journal_.back().episode) {
    journal_.back().usage = journal_.back().usage.then(movement);
    refresh();
    return;
  }
  append({std::move(movement), std::nullopt});
}

Result<void> Memory::forget(std::uint64_t id) {
  BITMAR_TRY(const std::size_t index, index_of(id));
  const auto place = journal_.erase(journal_.begin() + static_cast<std::ptrdiff_t>(index));
  // What stood around it may be two entries without a write.
  if (index > 0 && place != journal_.end() && !place->episode && !journal_[index - 1].episode) {
    journal_[index - 1].usage = journal_[index - 1].usage.then(place->usage);
    journal_.erase(place);
  }
  refresh();
  return {};
}

Result<void> Memory::edit(std::uint64_t id, std::span<const float> query, Provenance provenance) {
  BITMAR_TRY(const std::size_t index, index_of(id));
  if (query.size() != engine_->config().width || !all_bounded(query)) {
    return fail(ErrorCode::kInvalidArgument, "the query of an episode must be {} values within ±{:g}",
                engine_->config().width, kLargestValue);
  }
  JournalEntry& entry = journal_[index];
  MemoryState before = replay(index);
  entry.usage.apply(before.usage);
  entry.episode = Episode{
      id, {query.begin(), query.end()}, address_write(engine_->model(), query, before.usage), std::move(provenance)};
  refresh();
  return {};
}

void Memory::forget_all() {
  journal_.clear();
  refresh();
}

}  // namespace bitmar
