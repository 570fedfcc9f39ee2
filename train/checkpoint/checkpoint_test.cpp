#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "torch_headers.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "bitmar_checkpoint" /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Checkpoint sample(std::uint64_t step) {
    torch::manual_seed(step);
    Checkpoint checkpoint;
    checkpoint.step = step;
    checkpoint.add("model.", {{"w", torch::randn({3, 4})}, {"steps", torch::tensor({7}, torch::kInt64)}});
    checkpoint.add("optimizer.", {{"codes", torch::randint(256, {5}, torch::kUInt8)},
                                  {"half", torch::randn({2}).to(torch::kBFloat16)},
                                  {"scalar", torch::scalar_tensor(0.1, torch::kFloat64)},
                                  {"flags", torch::tensor({true, false})}});
    checkpoint.texts = {{"config", "a = \"ü\"\n"}, {"data", "{}"}};
    return checkpoint;
  }
  static void expect_equal(const Checkpoint& a, const Checkpoint& b) {
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.texts, b.texts);
    ASSERT_EQ(a.tensors.size(), b.tensors.size());
    for (const auto& [name, tensor] : a.tensors) {
      const auto other = b.tensor(name);
      ASSERT_TRUE(other) << name;
      EXPECT_EQ(other->scalar_type(), tensor.scalar_type());
      EXPECT_TRUE(torch::equal(*other, tensor)) << name;
    }
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  fs::path folder_;
};

TEST_F(CheckpointTest, ComesBackBitForBit) {
  Checkpoint checkpoint = sample(12);
  checkpoint.tensors.emplace_back("model.transposed", torch::randn({4, 3}).t());
  ASSERT_TRUE(save_checkpoint(path("c.safetensors"), checkpoint));
  const auto loaded = load_checkpoint(path("c.safetensors"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_equal(checkpoint, *loaded);
  EXPECT_EQ(loaded->with_prefix("optimizer.").size(), 4u);
  EXPECT_EQ(loaded->text("data").value(), "{}");
  EXPECT_FALSE(loaded->text("nothing"));
  EXPECT_FALSE(loaded->tensor("model.nothing"));
}

TEST_F(CheckpointTest, DamageIsFoundWhereverItIs) {
  ASSERT_TRUE(save_checkpoint(path("c.safetensors"), sample(3)));
  std::ifstream in(path("c.safetensors"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    std::ofstream(path("d.safetensors"), std::ios::binary) << damaged;
    EXPECT_FALSE(load_checkpoint(path("d.safetensors"))) << "byte " << at;
  }
  std::ofstream(path("d.safetensors"), std::ios::binary) << bytes.substr(0, bytes.size() - 1);
  EXPECT_FALSE(load_checkpoint(path("d.safetensors")));
}

TEST_F(CheckpointTest, StoreKeepsTheNewest) {
  const CheckpointStore store(path("run"), 2);
  EXPECT_TRUE(store.list()->empty());
  EXPECT_EQ(store.load_latest(false).error().code, ErrorCode::kNotFound);
  for (const std::uint64_t step : {5u, 900u, 1000u}) ASSERT_TRUE(store.save(sample(step)));
  std::ofstream(path("run/step-x.safetensors")) << "not ours";
  EXPECT_EQ(store.list()->size(), 2u);
  expect_equal(store.load_latest(false).value(), sample(1000));
  const CheckpointStore all(path("all"), 0);
  for (std::uint64_t step = 0; step < 5; ++step) ASSERT_TRUE(all.save(sample(step)));
  EXPECT_EQ(all.list()->size(), 5u);
}

TEST_F(CheckpointTest, FallsBackOnlyIfTold) {
  const CheckpointStore store(path("run"), 0);
  for (const std::uint64_t step : {1u, 2u}) ASSERT_TRUE(store.save(sample(step)));
  const std::string newest = store.list()->front();
  fs::resize_file(newest, fs::file_size(newest) / 2);
  const auto strict = store.load_latest(false);
  ASSERT_FALSE(strict);
  EXPECT_THAT(strict.error().message, HasSubstr("step-00000002"));
  std::vector<Error> skipped;
  expect_equal(store.load_latest(true, &skipped).value(), sample(1));
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_THAT(skipped[0].message, HasSubstr("step-00000002"));
}

TEST_F(CheckpointTest, TorchRandomStateContinuesTheSequence) {
  torch::manual_seed(9);
  const torch::Tensor first = torch::randn({3});
  const auto state = torch_random_state();
  const torch::Tensor expected = torch::randn({100});
  torch::randn({7});
  restore_torch_random_state(state);
  EXPECT_TRUE(torch::equal(torch::randn({100}), expected));
}

}  // namespace
}  // namespace bitmar
