// Runs the C tests of bitmar.h on small random models.
#include "capi/bitmar_h_test.h"

#include <gtest/gtest.h>

#include <string>

#include "io/test_support.h"
#include "tests/support/model_file.h"

namespace {

using bitmar::testing::SmallModel;
using bitmar::testing::write_small_model;

class BitmarH : public ::testing::Test {
 protected:
  int run(int (*test)(const test_files*)) const {
    write_small_model(model_, SmallModel::kFeatures);
    write_small_model(tower_, SmallModel::kTower);
    write_small_model(plain_, SmallModel::kNoMemory);
    const test_files files{model_.c_str(),
                           tower_.c_str(),
                           plain_.c_str(),
                           BITMAR_SOURCE_DIR "/tests/goldens/image/palette_4_bits.png",
                           BITMAR_SOURCE_DIR "/tests/goldens/image/palette_4_bits.png.ppm",
                           snapshot_.c_str()};
    return test(&files);
  }

 private:
  bitmar::testing::TemporaryFolder folder_;
  std::string model_ = folder_.file("features.gguf");
  std::string tower_ = folder_.file("tower.gguf");
  std::string plain_ = folder_.file("plain.gguf");
  std::string snapshot_ = folder_.file("snapshot.memory");
};

TEST_F(BitmarH, RefusesNullArguments) {
  EXPECT_EQ(run(test_null_arguments), 0);
}
TEST_F(BitmarH, RefusesBadFiles) {
  EXPECT_EQ(run(test_bad_files), 0);
}
TEST_F(BitmarH, ChecksOptions) {
  EXPECT_EQ(run(test_options), 0);
}
TEST_F(BitmarH, Tokenizes) {
  EXPECT_EQ(run(test_tokenizer), 0);
}
TEST_F(BitmarH, TakesImages) {
  EXPECT_EQ(run(test_images), 0);
}
TEST_F(BitmarH, GivesLogits) {
  EXPECT_EQ(run(test_logits), 0);
}
TEST_F(BitmarH, ScoresTokens) {
  EXPECT_EQ(run(test_scores), 0);
}
TEST_F(BitmarH, AdvancesSessionsTogether) {
  EXPECT_EQ(run(test_batches), 0);
}
TEST_F(BitmarH, Captions) {
  EXPECT_EQ(run(test_captions), 0);
}
TEST_F(BitmarH, Generates) {
  EXPECT_EQ(run(test_generation), 0);
}
TEST_F(BitmarH, RemembersAndForgets) {
  EXPECT_EQ(run(test_memory), 0);
}
TEST_F(BitmarH, GuardsTheMemory) {
  EXPECT_EQ(run(test_memory_modes), 0);
}
TEST_F(BitmarH, SavesAndLoadsTheMemory) {
  EXPECT_EQ(run(test_memory_snapshots), 0);
}
TEST_F(BitmarH, SharesOneEngineBetweenThreads) {
  EXPECT_EQ(run(test_threads), 0);
}

}  // namespace
