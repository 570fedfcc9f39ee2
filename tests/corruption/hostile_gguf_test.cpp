// A damaged model file: parsing, the config and every tensor.
#include <cstdlib>
#include <string>
#include <utility>

#include "hostile_file.h"
#include "io/mapped_file.h"
#include "model/schema/schema_test_support.h"

namespace bitmar::testing {
namespace {

// With the tokenizer's storage and arrays of every kind of element that take a path of their own.
Bytes small_model(bool tower) {
  ModelConfig config = tiny_config();
  if (!tower) config.tower.reset();
  GgufWriter writer(kModelArchitecture);
  write_config(config, writer);
  writer.set("tokenizer.ggml.model", std::string("gpt2"));
  writer.set("test.flags", std::vector<bool>{true, false, true});
  encode_random(tensor_table(config), 11, writer);
  writer.add_tensor("tokenizer.merges", GgufType::kI16, {2, 2}, std::vector<std::byte>(8));
  return writer.serialize();
}

// Whatever is accepted must be a model that a loader could compute with.
bool read_model(const Bytes& bytes) {
  const auto file = GgufFile::parse(bytes, "hostile.gguf");
  if (!file) {
    EXPECT_TRUE(file.error().message.starts_with("hostile.gguf: ")) << file.error().message;
    return false;
  }
  std::size_t sum = 0;
  for (const auto& tensor : file->tensors()) sum += touch(tensor.bytes);
  EXPECT_LE(sum, 255 * bytes.size());
  const auto decoded = decode_all(*file);
  if (!decoded) {
    EXPECT_TRUE(decoded.error().message.starts_with("hostile.gguf: ")) << decoded.error().message;
  }
  return decoded.has_value();
}

// Where the tensors' bytes begin and end.
std::pair<std::size_t, std::size_t> data_range(const Bytes& bytes) {
  const GgufFile file = GgufFile::parse(bytes, "valid").value();
  const auto offset = [&](const std::byte* position) { return static_cast<std::size_t>(position - bytes.data()); };
  const auto& last = file.tensors().back().bytes;
  return {offset(file.tensors().front().bytes.data()), offset(last.data()) + last.size()};
}

TEST(HostileGguf, CutAtEveryByte) {
  const Bytes valid = small_model(false);
  truncate_everywhere(valid, data_range(valid).second, read_model);
}

TEST(HostileGguf, TenThousandBitFlips) {
  // Most flips of the header break it; most flips of the data give another valid model.
  const Bytes small = small_model(false);
  EXPECT_LT(flip_bits(small, data_range(small).first, 5'000, 21, read_model), 2'500u);
  const Bytes with_tower = small_model(true);
  EXPECT_GT(flip_bits(with_tower, with_tower.size(), 5'000, 22, read_model), 100u);
}

TEST(HostileGguf, ExtremesAtEveryOffsetOfTheHeader) {
  const Bytes valid = small_model(false);
  overwrite_everywhere(valid, data_range(valid).first, read_model);
}

// The model that BITMAR_MODEL names, or the shipped one.
TEST(HostileGguf, AWholeModelCutAtEveryPercent) {
  const char* const named = std::getenv("BITMAR_MODEL");
  const std::string path = named != nullptr ? named : BITMAR_SOURCE_DIR "/models/bitmar-14m.gguf";
  const auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped) << mapped.error().message;
  const auto whole = mapped->bytes();
  ASSERT_TRUE(read_metered(Bytes(whole.begin(), whole.end()), read_model));
  for (std::size_t percent = 0; percent < 100; ++percent) {
    const auto cut = whole.first(whole.size() * percent / 100);
    EXPECT_FALSE(read_metered(Bytes(cut.begin(), cut.end()), read_model)) << percent << " %";
  }
}

}  // namespace
}  // namespace bitmar::testing
