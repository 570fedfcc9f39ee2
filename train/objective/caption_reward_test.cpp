#include "objective/caption_reward.h"

#include <gmock/gmock.h>

#include <numeric>
#include <vector>

namespace bitmar {
namespace {

const std::vector<std::vector<std::string>> kReferences = {
    {"A dog runs over the grass.", "A brown dog is running on grass."},
    {"Two children play in the water.", "Children are swimming in a pool."},
    {"A man climbs a steep rock.", "A climber on a rock wall."},
};

class CaptionRewardTest : public ::testing::Test {
 protected:
  double score(std::size_t photo, std::string_view caption, bool ended = true) const {
    return reward_.score(photo, caption, ended);
  }
  CaptionReward reward_ = CaptionReward::make(kReferences).value();
};

TEST_F(CaptionRewardTest, PrefersThePhotosOwnCaptions) {
  for (std::size_t photo = 0; photo < kReferences.size(); ++photo) {
    const double own = score(photo, kReferences[photo][0]);
    for (std::size_t other = 0; other < kReferences.size(); ++other) {
      if (other != photo) EXPECT_GT(own, 2 * score(photo, kReferences[other][0])) << photo << " " << other;
    }
  }
  EXPECT_LE(score(0, kReferences[0][0]), 10.0);
  EXPECT_EQ(score(0, "", false), 0.0);
}

// What CIDEr itself does not see: pycocoevalcap gives a caption without its last words the n-grams that it has.
TEST_F(CaptionRewardTest, BreakingOffDoesNotPay) {
  EXPECT_GT(score(0, "A dog runs over the grass."), score(0, "A dog runs over the grass.", false));
  EXPECT_GT(score(0, "A dog runs over the grass."), score(0, "A dog runs over the grass on a"));
  EXPECT_GT(score(0, "A dog runs over the grass."), score(0, "A dog runs over the"));
}

TEST(LeaveOneOutAdvantages, ComparesACaptionWithTheOthersOfItsPhoto) {
  const std::vector<double> rewards = {1, 2, 6, 0, 0, 0};
  EXPECT_EQ(leave_one_out_advantages(rewards, 3), (std::vector<double>{-3, -1.5, 4.5, 0, 0, 0}));
  EXPECT_EQ(leave_one_out_advantages(std::vector<double>{1, 3}, 2), (std::vector<double>{-2, 2}));
}

}  // namespace
}  // namespace bitmar
