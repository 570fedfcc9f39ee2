#include "apps/benchmark/model_benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/benchmark/process_benchmark.h"
#include "apps/benchmark/window_benchmark.h"
#include "tests/support/model_file.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;
using testing::SmallModel;

class ModelBenchmarkTest : public ::testing::Test {
 protected:
  // Options that run quickly on a small model.
  BenchmarkOptions options(SmallModel kind) const {
    const std::string path = (std::filesystem::path(::testing::TempDir()) /
                              ("benchmark_" + std::to_string(static_cast<int>(kind)) + ".gguf"))
                                 .string();
    testing::write_small_model(path, kind);
    return {.model = path, .engine = {}, .photo = {}, .prefill_tokens = 8, .decode_tokens = 3, .repetitions = 2};
  }
};

void expect_times(const Summary& times) {
  EXPECT_TRUE(std::isfinite(times.median));
  EXPECT_GT(times.minimum, 0);
  EXPECT_GE(times.median, times.minimum);
}

TEST_F(ModelBenchmarkTest, MeasuresEverythingOfAModelWithATower) {
  BenchmarkOptions chosen = options(SmallModel::kTower);
  chosen.threads = {1, 3};
  chosen.stages = true;
  std::size_t last = 0;
  std::size_t all = 0;
  const auto report = benchmark_model(chosen, [&](std::size_t done, std::size_t total) {
    EXPECT_EQ(done, last + 1);
    last = done;
    all = total;
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(last, all);
  EXPECT_EQ(report->photo, "synthetic");
  ASSERT_EQ(report->runs.size(), 2u);
  EXPECT_EQ(report->runs[1].threads, 3u);
  for (const ThreadReport& run : report->runs) {
    EXPECT_EQ(run.prefill.tokens, 8u);
    EXPECT_EQ(run.decode.tokens, 3u);
    EXPECT_GE(run.full_window_context, 1100u);
    ASSERT_TRUE(run.no_memory && run.start && run.caption_start && run.photo && run.caption && run.stages);
    for (const Summary& times :
         {run.prefill.microseconds, run.decode.microseconds, run.sampling.microseconds, run.no_memory->microseconds,
          run.full_window.microseconds, run.start->total, run.caption_start->total, run.caption_start->photo,
          run.photo->fit, run.photo->tower, run.caption->microseconds}) {
      expect_times(times);
    }
    EXPECT_FALSE(run.photo->decode);
    EXPECT_EQ(run.start->photo.median, 0);
    // Parts of one start; medians need not add up exactly.
    EXPECT_LT(run.start->engine.minimum, run.start->total.median);
    EXPECT_GT(run.stages->short_context[static_cast<std::size_t>(Stage::kHead)], 0);
    EXPECT_GT(run.stages->full_window[static_cast<std::size_t>(Stage::kHead)], 0);
    EXPECT_EQ(run.joules_per_token.has_value(), report->no_energy.empty());
  }
  ASSERT_EQ(report->memory.size(), 7u);
  EXPECT_GT(report->memory.front().memory.current, 0u);
  for (std::size_t i = 1; i < report->memory.size(); ++i) {
    EXPECT_GE(report->memory[i].memory.peak, report->memory[i - 1].memory.peak);
  }
}

TEST_F(ModelBenchmarkTest, LeavesOutWhatAModelDoesNotHave) {
  const auto no_tower = benchmark_model(options(SmallModel::kFeatures));
  ASSERT_TRUE(no_tower) << no_tower.error().message;
  EXPECT_EQ(no_tower->memory.back().after, "text");
  EXPECT_FALSE(no_tower->runs[0].photo || no_tower->runs[0].caption || no_tower->runs[0].caption_start);
  EXPECT_FALSE(no_tower->runs[0].stages);
  EXPECT_TRUE(no_tower->runs[0].no_memory);

  const auto no_memory = benchmark_model(options(SmallModel::kNoMemory));
  ASSERT_TRUE(no_memory) << no_memory.error().message;
  EXPECT_FALSE(no_memory->runs[0].no_memory);
}

TEST_F(ModelBenchmarkTest, MeasuresWithoutMemoryToo) {
  BenchmarkOptions both = options(SmallModel::kTower);
  both.without_memory = true;
  const auto report = benchmark_model(both);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->runs_without_memory.size(), report->runs.size());
  EXPECT_TRUE(report->runs[0].no_memory && report->runs[0].start);
  const ThreadReport& without = report->runs_without_memory[0];
  EXPECT_EQ(without.threads, report->runs[0].threads);
  EXPECT_FALSE(without.no_memory || without.start);  // all of it is without memory; starts are not measured again
  for (const Summary& times : {without.decode.microseconds, without.prefill.microseconds,
                               without.full_window.microseconds, without.caption->microseconds}) {
    expect_times(times);
  }
  const auto peaks = measure_peaks(both, MemoryMode::kOff);
  ASSERT_TRUE(peaks) << peaks.error().message;
  ASSERT_EQ(peaks->size(), report->memory.size());
  EXPECT_TRUE(std::ranges::is_sorted(*peaks));
  EXPECT_GT(peaks->front(), 1e6);
}

TEST_F(ModelBenchmarkTest, NamesWhatIsWrong) {
  const auto refused = [&](auto change, const std::string& name) {
    BenchmarkOptions chosen = options(SmallModel::kTower);
    change(chosen);
    const auto report = benchmark_model(chosen);
    ASSERT_FALSE(report);
    EXPECT_THAT(report.error().message, HasSubstr(name));
  };
  refused([](auto& chosen) { chosen.prefill_tokens = 0; }, "prefill tokens is 0");
  refused([](auto& chosen) { chosen.decode_tokens = 1u << 20; }, "decode tokens");
  refused([](auto& chosen) { chosen.repetitions = 0; }, "repetitions is 0");
  refused([](auto& chosen) { chosen.threads = {}; }, "threads");
  refused([](auto& chosen) { chosen.threads = {0}; }, "threads is 0");
  refused([](auto& chosen) { chosen.model = "nowhere.gguf"; }, "nowhere.gguf");
  refused([](auto& chosen) { chosen.photo = "nowhere.jpg"; }, "nowhere.jpg");
  refused([](auto& chosen) { chosen.engine.isa = "6502"; }, "6502");
}

TEST_F(ModelBenchmarkTest, WindowsAreComparedOnTheSameInput) {
  const auto windows = compare_windows(options(SmallModel::kTower), 3, 40);
  ASSERT_TRUE(windows) << windows.error().message;
  EXPECT_EQ(windows->input_tokens, 40u);
  EXPECT_EQ(windows->short_with_memory.window_tokens, 3u);
  EXPECT_EQ(windows->own_without_memory.window_tokens, 5u);  // the small model's
  EXPECT_EQ(windows->all_without_memory.window_tokens, 43u);
  EXPECT_GT(windows->all_without_memory.session_bytes, windows->own_without_memory.session_bytes);
  for (const WindowTimes& times :
       {windows->short_with_memory, windows->own_without_memory, windows->all_without_memory}) {
    expect_times(times.read);
    expect_times(times.decode);
    EXPECT_GT(times.session_bytes, 0u);
  }
}

}  // namespace
}  // namespace bitmar
