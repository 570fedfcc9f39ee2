#include "nn/tensor_spans.h"

#include <gmock/gmock.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace bitmar {
namespace {

class RowLoop : public ::testing::Test {
 protected:
  void TearDown() override { at::set_num_threads(before_); }
  int before_ = at::get_num_threads();
};

TEST_F(RowLoop, SharesRowsOutBetweenThreads) {
  const torch::Tensor matrix = torch::zeros({512, 1024});
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    std::mutex mutex;
    std::set<std::thread::id> seen;
    std::vector<int> visits(512);
    for_rows(matrix, [&](std::size_t first, std::size_t rows, std::size_t columns) {
      const std::scoped_lock lock(mutex);
      EXPECT_EQ(columns, 1024u);
      seen.insert(std::this_thread::get_id());
      for (std::size_t row = first; row < first + rows; ++row) ++visits[row];
    });
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(threads));
    EXPECT_THAT(visits, ::testing::Each(1));
  }
}

}  // namespace
}  // namespace bitmar
