#include "runtime/memory_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>

#include "base/random.h"
#include "io/test_support.h"
#include "runtime/session.h"
#include "tests/support/random_model.h"

namespace bitmar {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::random_engine;
using testing::small_config;
using ::testing::StartsWith;
using testing::TemporaryFolder;
using testing::values_of;

std::vector<float> random_query(const Engine& engine, Random& random) {
  std::vector<float> query(engine.config().width);
  for (float& value : query) value = static_cast<float>(random.normal());
  return query;
}

// a-bar: positive, of sum 1.
std::vector<float> random_attention(const Engine& engine, Random& random) {
  std::vector<float> attention(engine.config().memory_slots);
  float sum = 0.0f;
  for (float& value : attention) sum += value = static_cast<float>(random.uniform()) + 0.01f;
  for (float& value : attention) value /= sum;
  return attention;
}

// Entries of every kind: writes with and without reads, merged reads, a gap in the ids, an edited episode,
// provenance of any bytes.
Memory eventful_memory(const std::shared_ptr<const Engine>& engine) {
  Random random(17);
  Memory memory(engine);
  memory.note_reads(random_attention(*engine, random));
  memory.note_reads(random_attention(*engine, random));
  memory.write(random_query(*engine, random), random_attention(*engine, random), {"a dog", "dog.jpg", "2026-01-31"});
  memory.write(random_query(*engine, random), {}, {"", std::string("caf\xE9\0.png", 9), ""});
  memory.write(random_query(*engine, random), random_attention(*engine, random), {"ein Öl\nbild", "", current_time()});
  memory.note_reads(random_attention(*engine, random));
  memory.write(random_query(*engine, random), random_attention(*engine, random), {"gone", "x", "y"});
  memory.write(random_query(*engine, random), random_attention(*engine, random), {"edited later", "x", "y"});
  EXPECT_TRUE(memory.forget(4));
  EXPECT_TRUE(memory.edit(5, random_query(*engine, random), {"edited", "z.webp", "now"}));
  return memory;
}

void expect_equal(const Memory& actual, const Memory& expected) {
  EXPECT_EQ(actual.base(), expected.base());
  ASSERT_EQ(actual.journal().size(), expected.journal().size());
  for (std::size_t i = 0; i < actual.journal().size(); ++i) EXPECT_EQ(actual.journal()[i], expected.journal()[i]) << i;
  EXPECT_EQ(actual.next_id(), expected.next_id());
  EXPECT_EQ(actual.folded(), expected.folded());
  EXPECT_EQ(actual.current().state(), expected.current().state());
}

TEST(MemorySnapshot, RestoresEverythingExactly) {
  const TemporaryFolder folder;
  const auto engine = random_engine(small_config(), 1);
  const std::string path = folder.file("a.memory");
  const Memory memory = eventful_memory(engine);
  ASSERT_TRUE(save_memory_snapshot(memory, path));
  auto loaded = load_memory_snapshot(path, engine);
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_equal(*loaded, memory);
  EXPECT_EQ(loaded->find(2)->provenance.source, std::string("caf\xE9\0.png", 9));

  // It goes on as the first one would have.
  Memory original = memory.copy();
  Random random(3);
  const auto query = random_query(*engine, random);
  const auto attention = random_attention(*engine, random);
  EXPECT_EQ(original.write(query, attention, {}), loaded->write(query, attention, {}));
  EXPECT_TRUE(original.forget(1));
  EXPECT_TRUE(loaded->forget(1));
  expect_equal(*loaded, original);
}

TEST(MemorySnapshot, AnEmptyMemoryIsTheModelsOwn) {
  const TemporaryFolder folder;
  const auto engine = random_engine(small_config(), 1);
  ASSERT_TRUE(save_memory_snapshot(Memory(engine), folder.file("a.memory")));
  const auto loaded = load_memory_snapshot(folder.file("a.memory"), engine);
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_equal(*loaded, Memory(engine));
  EXPECT_EQ(loaded->current().state(), engine->memory()->state());
}

TEST(MemorySnapshot, KeepsWhatWasFoldedIntoTheBase) {
  const TemporaryFolder folder;
  const auto engine = random_engine(small_config(), 2);
  Random random(5);
  Memory memory(engine);
  for (std::size_t i = 0; i < Memory::kJournalEpisodes + 3; ++i) {
    memory.write(random_query(*engine, random), random_attention(*engine, random), {"x", "", ""});
  }
  memory.note_reads(random_attention(*engine, random));
  ASSERT_EQ(memory.folded(), 3u);
  ASSERT_NE(memory.base(), engine->memory()->state());
  ASSERT_TRUE(save_memory_snapshot(memory, folder.file("a.memory")));
  const auto loaded = load_memory_snapshot(folder.file("a.memory"), engine);
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_equal(*loaded, memory);
}

TEST(MemorySnapshot, BelongsToOneModel) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.memory");
  const auto engine = random_engine(small_config(), 1);
  const auto other = random_engine(small_config(), 2);
  ASSERT_TRUE(save_memory_snapshot(eventful_memory(engine), path));
  const auto loaded = load_memory_snapshot(path, other);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(loaded.error().message, AllOf(StartsWith(path + ": "), HasSubstr(engine->content_hash().substr(0, 8)),
                                            HasSubstr(other->content_hash().substr(0, 8)), HasSubstr(other->name())));

  ModelConfig without = small_config();
  without.memory = false;
  EXPECT_EQ(load_memory_snapshot(path, random_engine(without, 1)).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(load_memory_snapshot(folder.file("none.memory"), engine).error().code, ErrorCode::kNotFound);
}

TEST(MemorySnapshot, ASessionWithItGivesTheSameBits) {
  const TemporaryFolder folder;
  const auto engine = random_engine(small_config(), 1);
  const std::vector<TokenId> tokens = testing::random_tokens(engine->config(), 20, 4);
  const auto logits_with = [&](Memory memory) {
    Session session = Session::open(engine, {.memory = MemoryMode::kReadOnly}).value();
    EXPECT_TRUE(session.set_memory(std::move(memory)));
    const auto logits = session.prefill(tokens).value();
    return std::vector<float>(logits.begin(), logits.end());
  };
  const std::vector<float> expected = logits_with(eventful_memory(engine));
  EXPECT_NE(expected, logits_with(Memory(engine)));
  ASSERT_TRUE(save_memory_snapshot(eventful_memory(engine), folder.file("a.memory")));
  EXPECT_EQ(logits_with(load_memory_snapshot(folder.file("a.memory"), engine).value()), expected);
}

TEST(MemorySnapshot, LeavesNothingWhereItCannotBeWritten) {
  const TemporaryFolder folder;
  const auto engine = random_engine(small_config(), 1);
  const std::string path = folder.file("missing/a.memory");
  const auto saved = save_memory_snapshot(Memory(engine), path);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kIo);
  EXPECT_THAT(saved.error().message, StartsWith(path + ": "));
  EXPECT_EQ(folder.entries(), 0u);
}

// The layout as docs/format.md gives it.
TEST(MemorySnapshot, HasTheDocumentedLayout) {
  const TemporaryFolder folder;
  const auto engine = random_engine(small_config(), 1);
  const Memory memory = eventful_memory(engine);
  ASSERT_TRUE(save_memory_snapshot(memory, folder.file("a.memory")));
  const SafeTensorsFile file = SafeTensorsFile::open(folder.file("a.memory")).value();
  EXPECT_EQ(file.metadata(),
            (std::map<std::string, std::string, std::less<>>{
                {"format", "bitmar-memory-1"}, {"model", engine->content_hash()}, {"next_id", "6"}, {"folded", "0"}}));
  const auto bytes = [&](std::string_view name) { return (*file.tensor(name))->bytes; };
  EXPECT_EQ(values_of<float>(bytes("base.slots")), engine->memory()->state().slots);
  EXPECT_EQ(values_of<float>(bytes("base.usage")), engine->memory()->state().usage);
  // Reads; write 1; write 2 without reads; write 3; reads, which stood before the forgotten 4; write 5.
  EXPECT_EQ(values_of<std::uint8_t>(bytes("journal.moves")), (std::vector<std::uint8_t>{1, 1, 0, 1, 1, 1}));
  EXPECT_EQ(values_of<std::uint8_t>(bytes("journal.writes")), (std::vector<std::uint8_t>{0, 1, 1, 1, 0, 1}));
  EXPECT_EQ((*file.tensor("usage.offsets"))->shape, (std::vector<std::uint64_t>{5, 6}));
  EXPECT_EQ(values_of<float>(bytes("usage.factors"))[1], 0.99f);
  EXPECT_EQ(values_of<std::uint64_t>(bytes("episodes.ids")), (std::vector<std::uint64_t>{1, 2, 3, 5}));
  EXPECT_EQ((*file.tensor("episodes.queries"))->shape, (std::vector<std::uint64_t>{4, 8}));
  EXPECT_EQ(values_of<std::uint32_t>(bytes("episodes.slot_counts")), (std::vector<std::uint32_t>(4, 2)));
  EXPECT_EQ(values_of<std::uint32_t>(bytes("episodes.slots"))[6], memory.find(5)->slots[0].slot);
  EXPECT_EQ(values_of<float>(bytes("episodes.weights"))[7], memory.find(5)->slots[1].weight);
  EXPECT_EQ((*file.tensor("episodes.provenance_lengths"))->shape, (std::vector<std::uint64_t>{4, 3}));
  const auto text = values_of<char>(bytes("episodes.provenance"));
  EXPECT_THAT(std::string(text.begin(), text.end()), StartsWith("a dogdog.jpg2026-01-31caf\xE9"));

  const auto summary = summarise_memory_snapshot(file);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->model_hash, engine->content_hash());
  EXPECT_EQ(summary->episodes, 4u);
  EXPECT_EQ(summary->slots, 6u);
  EXPECT_EQ(summary->width, 8u);
}

// A snapshot as metadata and tensors that a test may change before it is written.
struct LooseSnapshot {
  struct Tensor {
    DataType type;
    std::vector<std::uint64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;

  template <typename T>
  void set(const std::string& name, std::size_t index, T value) {
    std::memcpy(tensors.at(name).bytes.data() + index * sizeof(T), &value, sizeof(T));
  }
  void drop_last(const std::string& name) {
    Tensor& tensor = tensors.at(name);
    tensor.bytes.resize(tensor.bytes.size() / tensor.shape[0] * (tensor.shape[0] - 1));
    --tensor.shape[0];
  }
};

class SnapshotRefusal : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(save_memory_snapshot(eventful_memory(engine_), path_));
    const SafeTensorsFile file = SafeTensorsFile::open(path_).value();
    valid_.metadata = {file.metadata().begin(), file.metadata().end()};
    for (const auto& tensor : file.tensors()) {
      valid_.tensors[tensor.name] = {tensor.type, tensor.shape, {tensor.bytes.begin(), tensor.bytes.end()}};
    }
  }

  // Loading the snapshot after `change` fails and says `part`.
  void expect_refused(const std::function<void(LooseSnapshot&)>& change, std::string_view part) {
    SCOPED_TRACE(part);
    LooseSnapshot snapshot = valid_;
    change(snapshot);
    SafeTensorsWriter writer;
    for (const auto& [key, value] : snapshot.metadata) writer.set_metadata(key, value);
    for (const auto& [name, tensor] : snapshot.tensors)
      writer.add_tensor(name, tensor.type, tensor.shape, tensor.bytes);
    ASSERT_TRUE(writer.write(path_));
    const auto loaded = load_memory_snapshot(path_, engine_);
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message, AllOf(StartsWith(path_ + ": "), HasSubstr(std::string(part))));
  }

  const TemporaryFolder folder_;
  const std::shared_ptr<const Engine> engine_ = random_engine(small_config(), 1);
  const std::string path_ = folder_.file("a.memory");
  LooseSnapshot valid_;
};

TEST_F(SnapshotRefusal, OfMetadata) {
  expect_refused([](auto& file) { file.metadata.erase("format"); }, "not a memory snapshot");
  expect_refused([](auto& file) { file.metadata["format"] = "bitmar-memory-2"; }, "'bitmar-memory-1'");
  expect_refused([](auto& file) { file.metadata.erase("model"); }, "key 'model' is missing");
  expect_refused([](auto& file) { file.metadata["model"].pop_back(); }, "key 'model' is not a SHA-256");
  expect_refused([](auto& file) { file.metadata["model"][3] = 'G'; }, "key 'model' is not a SHA-256");
  expect_refused([](auto& file) { file.metadata.erase("folded"); }, "key 'folded' is missing");
  for (const char* value : {"", "-1", "7x", " 7", "18446744073709551616"}) {
    expect_refused([&](auto& file) { file.metadata["next_id"] = value; }, "key 'next_id' is not a whole number");
  }
  expect_refused([](auto& file) { file.metadata["next_id"] = "0"; }, "the next id is 0");
  expect_refused([](auto& file) { file.metadata["next_id"] = "9007199254740993"; }, "the next id is 9007199254740993");
  expect_refused([](auto& file) { file.metadata["next_id"] = "5"; }, "episode 5 stands out of order");
  expect_refused([](auto& file) { file.metadata["folded"] = "2"; }, "4 episodes and 2 folded ones");
  expect_refused([](auto& file) { file.metadata["folded"] = "18446744073709551615"; }, "cannot have ids below 6");
}

TEST_F(SnapshotRefusal, OfShapes) {
  expect_refused([](auto& file) { file.tensors.erase("base.usage"); }, "12 tensors");
  expect_refused([](auto& file) { file.tensors["more"] = {DataType::kU8, {0}, {}}; }, "14 tensors");
  expect_refused(
      [](auto& file) {
        file.tensors["base.use"] = file.tensors["base.usage"];
        file.tensors.erase("base.usage");
      },
      "tensor 'base.usage' is missing");
  expect_refused([](auto& file) { file.tensors["base.usage"].type = DataType::kI32; }, "'base.usage' is I32");
  expect_refused([](auto& file) { file.tensors["base.slots"].shape = {48}; }, "'base.slots' is F32 with 1 dimensions");
  expect_refused([](auto& file) { file.tensors["base.slots"].shape = {8, 6}; }, "'base.slots' has extent 8");
  for (const auto& [name, tensor] : valid_.tensors) {
    if (name == "journal.moves") continue;  // the others follow it
    expect_refused([&](auto& file) { file.drop_last(name); }, "tensor '" + name + "' has extent");
  }
  expect_refused([](auto& file) { file.drop_last("journal.moves"); }, "tensor 'journal.writes' has extent 6");
  expect_refused(
      [](auto& file) {
        for (const char* name : {"journal.moves", "journal.writes"}) {
          file.tensors[name] = {DataType::kU8, {2050}, std::vector<std::byte>(2050)};
        }
      },
      "expected at most 2049");
  constexpr auto kHuge = std::numeric_limits<std::uint32_t>::max();
  expect_refused([](auto& file) { file.set("episodes.slot_counts", 1, kHuge); }, "'episodes.slots' has extent 8");
  expect_refused([](auto& file) { file.set("episodes.provenance_lengths", 4, kHuge); }, "'episodes.provenance' has");
}

TEST_F(SnapshotRefusal, OfValues) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  expect_refused([](auto& file) { file.set("journal.moves", 2, std::uint8_t{2}); }, "'journal.moves' holds 2");
  expect_refused([](auto& file) { file.set("journal.writes", 0, std::uint8_t{255}); }, "'journal.writes' holds 255");
  expect_refused([](auto& file) { file.set("base.slots", 47, kNan); }, "the base holds a value");
  expect_refused([](auto& file) { file.set("base.slots", 0, -2e9f); }, "the base holds a value");
  expect_refused([](auto& file) { file.set("base.usage", 5, 1.01f); }, "the base holds a usage outside");
  expect_refused([](auto& file) { file.set("base.usage", 0, kNan); }, "the base holds a usage outside");
  expect_refused([](auto& file) { file.set("usage.factors", 4, -0.5f); }, "a movement of the usage");
  expect_refused([](auto& file) { file.set("usage.offsets", 29, kNan); }, "a movement of the usage");
  expect_refused([](auto& file) { file.set("episodes.ids", 0, std::uint64_t{0}); }, "episode 0 stands out of order");
  expect_refused([](auto& file) { file.set("episodes.ids", 2, std::uint64_t{2}); }, "episode 2 stands out of order");
  expect_refused([](auto& file) { file.set("episodes.ids", 3, std::uint64_t{6}); }, "episode 6 stands out of order");
  expect_refused([](auto& file) { file.set("episodes.queries", 31, kNan); }, "episode 5: its query");
  expect_refused([](auto& file) { file.set("episodes.queries", 0, 1e30f); }, "episode 1: its query");
  expect_refused([](auto& file) { file.set("episodes.slots", 0, std::uint32_t{6}); }, "slot 6 is out of range");
  expect_refused(
      [](auto& file) {
        const auto slots = values_of<std::uint32_t>(file.tensors["episodes.slots"].bytes);
        file.set("episodes.slots", 0, slots[1]);
      },
      "occurs twice");
  expect_refused([](auto& file) { file.set("episodes.weights", 0, 1.5f); }, "has weight 1.5");
  expect_refused([](auto& file) { file.set("episodes.weights", 6, 0.0f); }, "has weight 0");
  expect_refused(
      [](auto& file) {  // an episode of 2 + 2 - 0 slots: the counts agree with the tensor
        file.set("episodes.slot_counts", 0, std::uint32_t{0});
        file.set("episodes.slot_counts", 1, std::uint32_t{4});
      },
      "it wrote 0 slots");
  expect_refused(
      [](auto& file) {  // reads in the place of write 1, right after other reads
        file.set("journal.writes", 1, std::uint8_t{0});
        for (const char* name :
             {"episodes.ids", "episodes.queries", "episodes.slot_counts", "episodes.slots", "episodes.slots",
              "episodes.weights", "episodes.weights", "episodes.provenance_lengths"}) {
          file.drop_last(name);
        }
        const auto lengths = values_of<std::uint32_t>(file.tensors["episodes.provenance_lengths"].bytes);
        std::uint64_t total = 0;
        for (const std::uint32_t length : lengths) total += length;
        file.tensors["episodes.provenance"].shape = {total};
        file.tensors["episodes.provenance"].bytes.resize(total);
      },
      "two entries without a write");
}

}  // namespace
}  // namespace bitmar
