#include "runtime/memory_snapshot.h"

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bitmar {
namespace {

constexpr std::string_view kFormat = "bitmar-memory-1";
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kShownDigits = 8;  // of a hash, in messages
// text, source, time
constexpr std::size_t kProvenanceFields = 3;
// Before, between and after the episodes stands at most one entry without a write.
constexpr std::uint64_t kMaximumEntries = 2 * Memory::kJournalEpisodes + 1;

// The file's content as arrays. J entries, of which U move the usage and E hold an episode; S slots and T bytes of
// provenance in all episodes together.
struct SnapshotArrays {
  std::vector<float> base_slots;                  // [K, C]
  std::vector<float> base_usage;                  // [K]
  std::vector<std::uint8_t> moves;                // [J]: 1 where the entry moves the usage
  std::vector<std::uint8_t> writes;               // [J]: 1 where the entry holds an episode
  std::vector<float> usage_factors;               // [U]
  std::vector<float> usage_offsets;               // [U, K]
  std::vector<std::uint64_t> ids;                 // [E]
  std::vector<float> queries;                     // [E, C]
  std::vector<std::uint32_t> slot_counts;         // [E]
  std::vector<std::uint32_t> slots;               // [S]
  std::vector<float> weights;                     // [S]
  std::vector<std::uint32_t> provenance_lengths;  // [E, 3]
  std::vector<std::uint8_t> provenance;           // [T]
};
constexpr std::size_t kTensors = 13;

template <typename T>
constexpr DataType data_type_of() {
  if constexpr (std::is_same_v<T, float>) return DataType::kF32;
  if constexpr (std::is_same_v<T, std::uint8_t>) return DataType::kU8;
  if constexpr (std::is_same_v<T, std::uint32_t>) return DataType::kU32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return DataType::kU64;
}

template <typename T>
void append(std::vector<T>& values, const std::vector<T>& more) {
  values.insert(values.end(), more.begin(), more.end());
}

SnapshotArrays flatten(const Memory& memory) {
  SnapshotArrays arrays;
  arrays.base_slots = memory.base().slots;
  arrays.base_usage = memory.base().usage;
  for (const JournalEntry& entry : memory.journal()) {
    arrays.moves.push_back(entry.usage.offset.empty() ? 0 : 1);
    arrays.writes.push_back(entry.episode ? 1 : 0);
    if (!entry.usage.offset.empty()) {
      arrays.usage_factors.push_back(entry.usage.factor);
      append(arrays.usage_offsets, entry.usage.offset);
    }
    if (!entry.episode) continue;
    const Episode& episode = *entry.episode;
    arrays.ids.push_back(episode.id);
    append(arrays.queries, episode.query);
    arrays.slot_counts.push_back(static_cast<std::uint32_t>(episode.slots.size()));
    for (const auto& [slot, weight] : episode.slots) {
      arrays.slots.push_back(slot);
      arrays.weights.push_back(weight);
    }
    const Provenance& from = episode.provenance;
    for (const std::string* field : {&from.text, &from.source, &from.time}) {
      arrays.provenance_lengths.push_back(static_cast<std::uint32_t>(field->size()));
      arrays.provenance.insert(arrays.provenance.end(), field->begin(), field->end());
    }
  }
  return arrays;
}

Result<std::string_view> metadata_text(const SafeTensorsFile& file, std::string_view key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return fail(ErrorCode::kInvalidFile, "{}: key '{}' is missing", file.name(), key);
  return std::string_view(found->second);
}

Result<std::uint64_t> metadata_number(const SafeTensorsFile& file, std::string_view key) {
  BITMAR_TRY(const std::string_view text, metadata_text(file, key));
  std::uint64_t number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::kInvalidFile, "{}: key '{}' is not a whole number", file.name(), key);
  }
  return number;
}

Result<std::string_view> metadata_hash(const SafeTensorsFile& file) {
  BITMAR_TRY(const std::string_view hash, metadata_text(file, "model"));
  if (hash.size() != kHashDigits || hash.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return fail(ErrorCode::kInvalidFile, "{}: key 'model' is not a SHA-256 of {} hexadecimal digits", file.name(),
                kHashDigits);
  }
  return hash;
}

Result<void> check_format(const SafeTensorsFile& file) {
  if (!is_memory_snapshot(file)) {
    return fail(ErrorCode::kInvalidFile, "{}: not a memory snapshot (expected the key 'format' to be '{}')",
                file.name(), kFormat);
  }
  if (file.tensors().size() != kTensors) {
    return fail(ErrorCode::kInvalidFile, "{}: {} tensors; a memory snapshot has {}", file.name(), file.tensors().size(),
                kTensors);
  }
  return {};
}

// The shape of a tensor that must have `dimensions` of them and the type of T.
template <typename T>
Result<std::vector<std::uint64_t>> shape_of(const SafeTensorsFile& file, std::string_view name,
                                            std::size_t dimensions) {
  const auto found = file.tensor(name);
  if (!found) return fail(ErrorCode::kInvalidFile, "{}", found.error().message);
  const SafeTensor* const tensor = *found;
  if (tensor->type != data_type_of<T>() || tensor->shape.size() != dimensions) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' is {} with {} dimensions; expected {} with {}", file.name(),
                name, data_type_name(tensor->type), tensor->shape.size(), data_type_name(data_type_of<T>()),
                dimensions);
  }
  return tensor->shape;
}

// Copies a tensor of exactly this shape.
template <typename T>
Result<void> read(const SafeTensorsFile& file, std::string_view name, const std::vector<std::uint64_t>& shape,
                  std::vector<T>& values) {
  BITMAR_TRY(const std::vector<std::uint64_t> stored, shape_of<T>(file, name, shape.size()));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (stored[i] != shape[i]) {
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has extent {} in dimension {}; expected {}", file.name(),
                  name, stored[i], i, shape[i]);
    }
  }
  BITMAR_TRY(const SafeTensor* tensor, file.tensor(name));
  values.resize(tensor->bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return {};
}

// How many of the flags are set; each must be 0 or 1.
Result<std::uint64_t> count_flags(const SafeTensorsFile& file, std::string_view name,
                                  const std::vector<std::uint8_t>& flags) {
  std::uint64_t count = 0;
  for (const std::uint8_t flag : flags) {
    if (flag > 1)
      return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' holds {}; expected 0 or 1", file.name(), name, flag);
    count += flag;
  }
  return count;
}

std::uint64_t sum(const std::vector<std::uint32_t>& counts) {
  std::uint64_t total = 0;
  for (const std::uint32_t count : counts) total += count;
  return total;
}

Result<SnapshotArrays> read_arrays(const SafeTensorsFile& file, const ModelConfig& config) {
  SnapshotArrays arrays;
  BITMAR_TRY_VOID(read(file, "base.slots", {config.memory_slots, config.width}, arrays.base_slots));
  BITMAR_TRY_VOID(read(file, "base.usage", {config.memory_slots}, arrays.base_usage));
  BITMAR_TRY(const auto journal, shape_of<std::uint8_t>(file, "journal.moves", 1));
  if (journal[0] > kMaximumEntries) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor 'journal.moves' has {} entries; expected at most {}", file.name(),
                journal[0], kMaximumEntries);
  }
  BITMAR_TRY_VOID(read(file, "journal.moves", journal, arrays.moves));
  BITMAR_TRY_VOID(read(file, "journal.writes", journal, arrays.writes));
  BITMAR_TRY(const std::uint64_t moves, count_flags(file, "journal.moves", arrays.moves));
  BITMAR_TRY(const std::uint64_t episodes, count_flags(file, "journal.writes", arrays.writes));
  BITMAR_TRY_VOID(read(file, "usage.factors", {moves}, arrays.usage_factors));
  BITMAR_TRY_VOID(read(file, "usage.offsets", {moves, config.memory_slots}, arrays.usage_offsets));
  BITMAR_TRY_VOID(read(file, "episodes.ids", {episodes}, arrays.ids));
  BITMAR_TRY_VOID(read(file, "episodes.queries", {episodes, config.width}, arrays.queries));
  BITMAR_TRY_VOID(read(file, "episodes.slot_counts", {episodes}, arrays.slot_counts));
  BITMAR_TRY_VOID(read(file, "episodes.slots", {sum(arrays.slot_counts)}, arrays.slots));
  BITMAR_TRY_VOID(read(file, "episodes.weights", {sum(arrays.slot_counts)}, arrays.weights));
  BITMAR_TRY_VOID(read(file, "episodes.provenance_lengths", {episodes, kProvenanceFields}, arrays.provenance_lengths));
  BITMAR_TRY_VOID(read(file, "episodes.provenance", {sum(arrays.provenance_lengths)}, arrays.provenance));
  return arrays;
}

// Takes the arrays, whose sizes agree, apart in the order in which flatten() filled them.
class ArrayCursor {
 public:
  explicit ArrayCursor(const SnapshotArrays& arrays) : arrays_(arrays) {}

  UsageMovement next_movement() {
    const std::size_t slots = arrays_.base_usage.size();
    const auto first = arrays_.usage_offsets.begin() + static_cast<std::ptrdiff_t>(movement_ * slots);
    return {arrays_.usage_factors[movement_++], {first, first + static_cast<std::ptrdiff_t>(slots)}};
  }

  Episode next_episode() {
    const std::size_t width = arrays_.base_slots.size() / arrays_.base_usage.size();
    const auto query = arrays_.queries.begin() + static_cast<std::ptrdiff_t>(episode_ * width);
    Episode episode{arrays_.ids[episode_], {query, query + static_cast<std::ptrdiff_t>(width)}, {}, {}};
    for (std::uint32_t i = 0; i < arrays_.slot_counts[episode_]; ++i, ++slot_) {
      episode.slots.push_back({arrays_.slots[slot_], arrays_.weights[slot_]});
    }
    Provenance& from = episode.provenance;
    const std::array<std::string*, kProvenanceFields> fields = {&from.text, &from.source, &from.time};
    for (std::size_t i = 0; i < kProvenanceFields; ++i) {
      const std::uint32_t length = arrays_.provenance_lengths[episode_ * kProvenanceFields + i];
      const auto bytes = std::span(arrays_.provenance).subspan(byte_, length);
      fields[i]->assign(bytes.begin(), bytes.end());
      byte_ += length;
    }
    ++episode_;
    return episode;
  }

 private:
  const SnapshotArrays& arrays_;
  std::size_t movement_ = 0;
  std::size_t episode_ = 0;
  std::size_t slot_ = 0;
  std::size_t byte_ = 0;
};

Result<Memory> restore(const SafeTensorsFile& file, std::shared_ptr<const Engine> engine) {
  if (engine->memory() == nullptr) {
    return fail(ErrorCode::kUnsupported, "{}: {} has no memory to load it into", file.name(), engine->name());
  }
  BITMAR_TRY_VOID(check_format(file));
  BITMAR_TRY(const std::string_view expected, metadata_hash(file));
  if (const std::string_view hash = engine->content_hash(); hash != expected) {
    return fail(ErrorCode::kInvalidArgument, "{}: a memory of the model {}…; {} is {}…", file.name(),
                expected.substr(0, kShownDigits), engine->name(), hash.substr(0, kShownDigits));
  }
  BITMAR_TRY(const std::uint64_t next_id, metadata_number(file, "next_id"));
  BITMAR_TRY(const std::uint64_t folded, metadata_number(file, "folded"));
  BITMAR_TRY(SnapshotArrays arrays, read_arrays(file, engine->config()));
  std::vector<JournalEntry> journal(arrays.moves.size());
  ArrayCursor cursor(arrays);
  for (std::size_t index = 0; index < journal.size(); ++index) {
    if (arrays.moves[index] == 1) journal[index].usage = cursor.next_movement();
    if (arrays.writes[index] == 1) journal[index].episode = cursor.next_episode();
  }
  auto memory = Memory::restore(std::move(engine), {std::move(arrays.base_slots), std::move(arrays.base_usage)},
                                std::move(journal), next_id, folded);
  if (!memory) return fail(memory.error().code, "{}: {}", file.name(), memory.error().message);
  return memory;
}

}  // namespace

Result<void> save_memory_snapshot(const Memory& memory, const std::string& path) {
  const SnapshotArrays arrays = flatten(memory);
  const std::uint64_t slots = arrays.base_usage.size();
  const std::uint64_t width = arrays.base_slots.size() / slots;
  SafeTensorsWriter writer;
  writer.set_metadata("format", kFormat);
  writer.set_metadata("model", memory.engine().content_hash());
  writer.set_metadata("next_id", fmt::format("{}", memory.next_id()));
  writer.set_metadata("folded", fmt::format("{}", memory.folded()));
  const auto add = [&writer]<typename T>(std::string_view name, const std::vector<std::uint64_t>& shape,
                                         const std::vector<T>& values) {
    writer.add_tensor(name, data_type_of<T>(), shape, std::as_bytes(std::span(values)));
  };
  add("base.slots", {slots, width}, arrays.base_slots);
  add("base.usage", {slots}, arrays.base_usage);
  add("journal.moves", {arrays.moves.size()}, arrays.moves);
  add("journal.writes", {arrays.writes.size()}, arrays.writes);
  add("usage.factors", {arrays.usage_factors.size()}, arrays.usage_factors);
  add("usage.offsets", {arrays.usage_factors.size(), slots}, arrays.usage_offsets);
  add("episodes.ids", {arrays.ids.size()}, arrays.ids);
  add("episodes.queries", {arrays.ids.size(), width}, arrays.queries);
  add("episodes.slot_counts", {arrays.slot_counts.size()}, arrays.slot_counts);
  add("episodes.slots", {arrays.slots.size()}, arrays.slots);
  add("episodes.weights", {arrays.weights.size()}, arrays.weights);
  add("episodes.provenance_lengths", {arrays.ids.size(), kProvenanceFields}, arrays.provenance_lengths);
  add("episodes.provenance", {arrays.provenance.size()}, arrays.provenance);
  return writer.write(path);
}

Result<Memory> load_memory_snapshot(const std::string& path, std::shared_ptr<const Engine> engine) {
  BITMAR_TRY(const SafeTensorsFile file, SafeTensorsFile::open(path));
  return restore(file, std::move(engine));
}

Result<Memory> parse_memory_snapshot(std::span<const std::byte> bytes, const std::string& name,
                                     std::shared_ptr<const Engine> engine) {
  BITMAR_TRY(const SafeTensorsFile file, SafeTensorsFile::parse(bytes, name));
  return restore(file, std::move(engine));
}

bool is_memory_snapshot(const SafeTensorsFile& file) {
  const auto format = file.metadata().find("format");
  return format != file.metadata().end() && format->second == kFormat;
}

Result<MemorySnapshotSummary> summarise_memory_snapshot(const SafeTensorsFile& file) {
  BITMAR_TRY_VOID(check_format(file));
  MemorySnapshotSummary summary;
  BITMAR_TRY(summary.model_hash, metadata_hash(file));
  BITMAR_TRY(summary.folded, metadata_number(file, "folded"));
  BITMAR_TRY(const auto base, shape_of<float>(file, "base.slots", 2));
  BITMAR_TRY(const auto ids, shape_of<std::uint64_t>(file, "episodes.ids", 1));
  summary.slots = base[0];
  summary.width = base[1];
  summary.episodes = ids[0];
  return summary;
}

}  // namespace bitmar
