// The folder of made-up task files that the tasks' tests run on.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "eval/registry/registry.h"
#include "tests/support/random_model.h"

namespace bitmar::testing_tasks {

namespace fs = std::filesystem;
using testing::random_engine;
using testing::small_config;

inline const nlohmann::json& golden() {
  static const nlohmann::json json = [] {
    std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/evaluation/prompts.json");
    return nlohmann::json::parse(file);
  }();
  return json["tasks"];
}

inline std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Tasks : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // The golden items of a task, each `copies` times.
  std::string write_golden(const std::string& task, int copies = 1) {
    for (const auto& [name, lines] : golden()[task]["files"].items()) {
      std::string text;
      for (int copy = 0; copy < copies; ++copy) {
        for (const auto& line : lines) text += line.dump() + "\n";
      }
      write((task == "mmlu_5_shot" ? "mmlu" : task) + "/" + name, text);
    }
    return (folder_ / task).string();
  }
  // A file for every task.
  void write_all(int copies) {
    for (const auto& [task, unused] : golden().items()) write_golden(task, copies);
    std::string pairs;
    std::string supplement;
    std::string ewok;
    std::string boxes;
    std::string comps;
    std::string wug;
    for (int i = 0; i < 20 * copies; ++i) {
      pairs += fmt::format(
          R"({{"sentence_good": "Cats {0} sleep.", "sentence_bad": "Cats {0} sleeps here.", "field": "syntax", "UID": "p_{1}", "linguistics_term": "t"}})"
          "\n",
          i, i % 2);
      supplement += fmt::format(R"({{"sentence_good": "A: {0}?\nB: Yes.", "sentence_bad": "A: {0}?\nB: Nope."}})"
                                "\n",
                                i);
      ewok += fmt::format(
          R"({{"Domain": "d{1}", "Context1": "It rains {0}.", "Context2": "It is dry.", "Target1": "It is wet.", "Target2": "No.", "ContextType": "direct"}})"
          "\n",
          i, i % 3);
      boxes += fmt::format(
          R"({{"input_prefix": "Box {0} contains ", "options": ["a cat.", "nothing.", "keys."], "numops": {1}}})"
          "\n",
          i, i % 2);
      comps += fmt::format(
          R"({{"prefix_acceptable": "A dog {0}", "prefix_unacceptable": "A stone", "property_phrase": "can bark."}})"
          "\n",
          i);
      wug += fmt::format(R"({{"sentences": "a {0}ness\ta {0}ity", "ratio": {1}}})"
                         "\n",
                         i, 0.01 * i);
    }
    for (const char* kind : {"blimp_fast", "blimp_filtered"}) write(fmt::format("babylm/{}/p.jsonl", kind), pairs);
    for (const char* kind : {"supplement_fast", "supplement_filtered"}) {
      write(fmt::format("babylm/{}/turn_taking.jsonl", kind), supplement);
    }
    for (const char* kind : {"ewok_fast", "ewok_filtered"}) write(fmt::format("babylm/{}/d.jsonl", kind), ewok);
    for (const char* kind : {"entity_tracking_fast", "entity_tracking"}) {
      write(fmt::format("babylm/{}/regular.jsonl", kind), boxes);
    }
    write("babylm/comps/comps_base.jsonl", comps);
    write("babylm/wug_past_tense/wug_past_tense.jsonl", wug);
    write("babylm/wug_adj_nominalization/wug_adj_nominalization.jsonl", wug);
  }

  TaskContext context(const std::shared_ptr<const Engine>& engine) const {
    TaskContext context;
    context.engine = engine;
    context.data = folder_.string();
    return context;
  }
  std::string error_of(const std::string& task, const std::string& file, const std::string& text) {
    write(file, text);
    const auto result = find_task(task)->run(context(engine_));
    return result ? "no error" : result.error().message;
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("bitmar_tasks_{}", ::getpid());
  std::shared_ptr<const Engine> engine_ = random_engine(small_config(), 3);
};

}  // namespace bitmar::testing_tasks
