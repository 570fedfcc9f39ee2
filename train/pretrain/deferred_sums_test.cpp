#include "pretrain/deferred_sums.h"

#include <gmock/gmock.h>

namespace bitmar {
namespace {

using ::testing::ElementsAre;

TEST(DeferredSums, AreTheHostsSumsBitForBit) {
  torch::manual_seed(2);
  DeferredSums sums;
  double expected = 0;
  for (int i = 0; i < 9; ++i) {
    const auto value = torch::randn({1}, torch::TensorOptions().requires_grad(true));
    sums.add(2, value);
    if (i == 4) sums.add(0, value.detach().reshape({}) * 0 + 3.0);
    expected += value.item<double>();
  }
  EXPECT_THAT(sums.take(), ElementsAre(3.0, 0.0, expected));
  EXPECT_TRUE(sums.take().empty());
  sums.add(1, torch::full({}, 0.25, torch::kFloat64));
  EXPECT_THAT(sums.take(), ElementsAre(0.0, 0.25));
}

// What was added stays what it was, whatever becomes of the tensor.
TEST(DeferredSums, KeepWhatTheyWereGiven) {
  DeferredSums sums;
  torch::Tensor value = torch::full({}, 1.5, torch::kFloat64);
  sums.add(0, value);
  value.fill_(7);
  EXPECT_THAT(sums.take(), ElementsAre(1.5));
}

}  // namespace
}  // namespace bitmar
