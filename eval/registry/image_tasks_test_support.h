// Small made-up files of the tasks on images.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "eval/tasks/tasks_test_support.h"
#include "io/npy.h"

namespace bitmar::testing_tasks {

namespace fs = std::filesystem;
using testing::random_features;
using testing::small_config;

// reading_data.csv of 300 rows: times that have nothing to do with the words; every fifth has no word before it.
inline std::string made_up_reading_times(std::uint64_t seed) {
  std::string table =
      "item,word,Subtlex_log10,length,context_length,RTfirstfix,RTfirstpass,RTgopast,RTrightbound,"
      "self_paced_reading_time,prev_word,prev_item,prev_length\n";
  Random random(seed);
  for (int i = 0; i < 300; ++i) {
    const double time = 200 + 30 * random.normal();
    table += fmt::format("\"well, {0}\",word{1},{2},{3},{4},{5},{6},{5},{6},{7},{8}\n", i, i % 7, 5 + random.normal(),
                         4 + i % 7, 1 + i % 5, time, time + 10 * random.normal(), 300 + 20 * random.normal(),
                         i % 5 == 0 ? ",," : "\"well,\",so,5");
  }
  return table;
}

class ImageTasks : public Tasks {
 protected:
  // Features of 4 patches each under these names.
  void write_features(const std::string& folder, const std::vector<std::string>& names) {
    fs::create_directories(folder_ / folder);
    const std::string path = (folder_ / folder / "features.npy").string();
    const std::size_t width = small_config().vision_width;
    auto writer = NpyWriter::create(path, DataType::kF32, {names.size(), 4, width}, false);
    ASSERT_TRUE(writer) << writer.error().message;
    std::string list;
    for (std::size_t i = 0; i < names.size(); ++i) {
      ASSERT_TRUE(writer->write_row(i, random_features(small_config(), 4, i)));
      list += names[i] + "\n";
    }
    ASSERT_TRUE(writer->flush());
    write(folder + "/features.npy.txt", list);
  }
  void write_easy_vqa() {
    const std::vector<std::string> answers = {"yes", "no", "red", "teal", "circle"};
    std::string questions;
    std::vector<std::string> names;
    for (int picture = 0; picture < 80; ++picture) {
      for (int i = 0; i < 5; ++i) {
        const std::string& answer = answers[static_cast<std::size_t>((picture / 10 + i * i) % 5)];
        questions += fmt::format(R"({}["what {} is it, {}?", "{}", {}])", questions.empty() ? "[" : ", ", i, picture,
                                 answer, picture);
      }
      names.push_back(fmt::format("{}.png", picture));
    }
    write("easy_vqa/questions.json", questions + "]");
    write_features("easy_vqa", names);
  }
  void write_babylm() {
    std::string pairs;
    std::string questions;
    std::string manifest = "image1,image2,image3,image4,text1\n";
    std::vector<std::string> pair_names;
    std::vector<std::string> question_names;
    std::vector<std::string> trial_names;
    for (int i = 0; i < 24; ++i) {
      pairs +=
          fmt::format(R"({{"caption_0": "cat on dog {0}", "caption_1": "dog on cat {0}", "collapsed_tag": "Object", )"
                      R"("image_idx": {1}, "image_key": "image_{2}"}})"
                      "\n",
                      i, i / 2, i % 2);
      pair_names.push_back(fmt::format("ex_{}_img_{}.png", i / 2, i % 2));
      questions += fmt::format(R"({{"question": "What {0}?", "target_ans": "a{0}", "distractors": ["b", "cc", "d d"], )"
                               R"("idx_in_hf_dataset": {0}}})"
                               "\n",
                               i);
      question_names.push_back(std::to_string(i));
      manifest +=
          fmt::format("images/a{0}.png,images/b{0}.png,images/c{0}.png,images/d{0}.png,\"thing {0}, red\"\n", i);
      for (const char letter : {'a', 'b', 'c', 'd'}) trial_names.push_back(fmt::format("{}{}.png", letter, i));
    }
    write("babylm/winoground_filtered/winoground.jsonl", pairs);
    write("babylm/vqa_filtered/vqa.jsonl", questions);
    write_features("babylm/winoground_filtered", pair_names);
    write_features("babylm/vqa_filtered", question_names);
    for (const char* folder : {"lex-viz_vocab", "gram-trog"}) {
      write(fmt::format("babylm/devbench/assets/{}/manifest.csv", folder), manifest);
      write_features(fmt::format("babylm/devbench/assets/{}", folder), trial_names);
    }
  }
  void write_flickr(int photos) {
    std::string list;
    std::string captions;
    std::vector<std::string> names;
    for (int i = 0; i < photos; ++i) {
      names.push_back(fmt::format("{}.jpg", i));
      list += names.back() + "\n";
      for (int c = 0; c < 3; ++c) captions += fmt::format("{}.jpg\t{}\tA dog number {} runs , {} .\n", i, c, i, c);
    }
    write("flickr8k/dev.txt", list);
    write("flickr8k/captions.tsv", captions);
    write_features("flickr8k", names);
  }
  static const Score& score(const TaskResult& result, const std::string& metric) {
    const auto found = std::ranges::find(result.total.scores, metric, &Score::metric);
    EXPECT_NE(found, result.total.scores.end()) << metric;
    return *found;
  }
};

}  // namespace bitmar::testing_tasks
