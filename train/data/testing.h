// A folder of corpora, shards and features for the tests of this layer. The tokenizer has no merges (token = byte)
// where a test does not set another.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "data/prepare.h"
#include "data/settings.h"

namespace bitmar::testing_data {

class DataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        std::filesystem::path(::testing::TempDir()) / "bitmar_train_data" / test->test_suite_name() / test->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    settings_.root = folder_.string();
    settings_.shards = (folder_ / "shards").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  static Tokenizer tokenizer() { return Tokenizer::from_merges({}).value(); }
  Result<PreparedSource> prepare(const SourceSettings& source, bool force = false) const {
    return prepare_source(settings_, source, tokenizer_, force, {});
  }
  // A caption source of `images` photos "0.jpg", "1.jpg", … with `captions` captions each: "i c", as normalised.
  SourceSettings add_captions(const std::string& name, int images, int captions) {
    std::string text;
    for (int i = 0; i < images; ++i) {
      for (int c = 0; c < captions; ++c) text += fmt::format("{}.jpg\t{}\timage {} caption {}\n", i, c, i, c);
    }
    write(name + ".tsv", text);
    SourceSettings source{.name = name, .kind = SourceKind::kCaptions, .path = name + ".tsv"};
    settings_.sources.push_back(source);
    EXPECT_TRUE(prepare(source));
    return source;
  }
  SourceSettings add_text(const std::string& name, std::string_view text, std::uint64_t holdout = 0,
                          DocumentLayout documents = DocumentLayout::kFile) {
    write(name + ".txt", text);
    SourceSettings source{.name = name, .path = name + ".txt", .documents = documents, .holdout_tokens = holdout};
    settings_.sources.push_back(source);
    EXPECT_TRUE(prepare(source));
    return source;
  }
  // Features [images, tokens, 2] whose every value is `base` + the image's number; names in falling order.
  std::string add_features(const std::string& name, int images, std::uint64_t tokens, float base) {
    const std::string path = (folder_ / name).string();
    auto writer = NpyWriter::create(path, DataType::kF16, {static_cast<std::uint64_t>(images), tokens, 2}, false);
    EXPECT_TRUE(writer);
    std::string names;
    for (int row = 0; row < images; ++row) {
      const int image = images - 1 - row;
      const std::vector<float> values(tokens * 2, base + static_cast<float>(image));
      EXPECT_TRUE(writer->write_row(static_cast<std::uint64_t>(row), values));
      names += fmt::format("{}.jpg\n", image);
    }
    EXPECT_TRUE(writer->flush());
    write(name + ".txt", names);
    return path;
  }

  std::filesystem::path folder_;
  DataSettings settings_;
  Tokenizer tokenizer_ = tokenizer();  // what prepare() uses
};

}  // namespace bitmar::testing_data
