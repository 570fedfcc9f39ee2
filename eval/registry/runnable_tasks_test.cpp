// Which tasks can be run: those whose files are all there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/registry/image_tasks_test_support.h"
#include "eval/tasks/task_files.h"

namespace bitmar {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class RunnableTasks : public testing_tasks::ImageTasks {
 protected:
  std::string why_not(const char* task) const {
    const auto status = check_runnable(*find_task(task), context(engine_));
    return status ? "" : status.error().message;
  }
};

TEST_F(RunnableTasks, NeedWhatStandsBesideTheirFirstFile) {
  write_golden("mmlu_5_shot");
  write_flickr(2);
  write_babylm();
  const std::vector<std::pair<const char*, std::string>> beside = {
      {"mmlu_5_shot", "mmlu/dev.jsonl"},
      {"captions", "flickr8k/captions.tsv"},
      {"retrieval", "flickr8k/captions.tsv"},
      {"second_caption", "flickr8k/captions.tsv"},
      {"devbench_grammar", "babylm/devbench/assets/gram-trog/manifest.csv"}};
  for (const auto& [task, file] : beside) {
    const fs::path path = folder_ / file;
    EXPECT_EQ(why_not(task), "") << task;
    fs::rename(path, folder_ / "away");
    EXPECT_THAT(why_not(task), EndsWith(path.parent_path().string() + ": has no " + path.filename().string())) << task;
    EXPECT_FALSE(has_task_files(folder_.string(), find_task(task)->files)) << task;
    EXPECT_THAT(find_task(task)->run(context(engine_)).error().message, HasSubstr(path.filename().string())) << task;
    fs::rename(folder_ / "away", path);
  }
  fs::remove(folder_ / "mmlu/dev.jsonl");
  EXPECT_EQ(why_not("mmlu"), "");  // which needs the questions alone
}

TEST_F(RunnableTasks, TakeTheFirstLayoutThatIsWhole) {
  write_golden("mmlu_5_shot");
  fs::create_directories(folder_ / "eval");
  fs::copy(folder_ / "mmlu", folder_ / "eval/mmlu");
  fs::remove(folder_ / "mmlu/dev.jsonl");
  EXPECT_EQ(*find_task_files(folder_.string(), find_task("mmlu_5_shot")->files),
            (folder_ / "eval/mmlu/test.jsonl").string());
}

TEST_F(RunnableTasks, AnEmptyFolderIsNone) {
  fs::create_directories(folder_ / "babylm/comps");
  EXPECT_THAT(why_not("comps"), EndsWith("babylm/comps: is empty"));
}

TEST(TaskFiles, AreDescribedForPeople) {
  EXPECT_EQ(describe_task_files("a/test.jsonl+dev.jsonl+notes.txt|b"), "a/test.jsonl with dev.jsonl, notes.txt, b");
  EXPECT_THAT(find_task_files("/nowhere", "a+b|c").error().message, "/nowhere: has no a with b, c");
}

}  // namespace
}  // namespace bitmar
