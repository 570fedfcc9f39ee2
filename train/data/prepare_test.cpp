#include "data/prepare.h"

#include <gmock/gmock.h>

#include "data/testing.h"

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Prepare : public testing_data::DataTest {
 protected:
  Shard open(const std::string& name) const {
    auto shard = Shard::open(settings_.shards + "/" + name);
    EXPECT_TRUE(shard) << shard.error().message;
    return *std::move(shard);
  }
  static std::string text(std::span<const std::uint16_t> tokens) {
    return tokenizer().decode(std::vector<TokenId>(tokens.begin(), tokens.end()));
  }
};

TEST_F(Prepare, CaptionsOfTheListedImagesInTheListsOrder) {
  write("captions.tsv", "a.jpg\t0\tA dog .\nb.jpg\t0\tA cat\na.jpg\t1\t.\na.jpg\t2\tTwo dogs\nc.jpg\t0\tNo\n");
  write("list.txt", "b.jpg\na.jpg\n");
  const SourceSettings source{.name = "c", .kind = SourceKind::kCaptions, .path = "captions.tsv", .images = "list.txt"};
  const auto prepared = prepare(source);
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_FALSE(prepared->reused);
  EXPECT_EQ(prepared->manifest.words, 6u);
  const Shard shard = open("c");
  EXPECT_THAT(shard.image_names(), ElementsAre("b.jpg", "a.jpg"));
  EXPECT_THAT(shard.groups(), ElementsAre(0u, 1u, 3u));
  EXPECT_EQ(text(shard.sequence(0)), "A cat.");
  EXPECT_EQ(text(shard.sequence(1)), "A dog.");
  EXPECT_EQ(text(shard.sequence(2)), "Two dogs.");
}

TEST_F(Prepare, ListedImageWithoutCaptionsIsAnError) {
  write("captions.tsv", "a.jpg\t0\tA dog .\n");
  write("list.txt", "a.jpg\nz.jpg\n");
  const auto prepared =
      prepare({.name = "c", .kind = SourceKind::kCaptions, .path = "captions.tsv", .images = "list.txt"});
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message, HasSubstr("'z.jpg' has no captions"));
}

TEST_F(Prepare, DocumentLayouts) {
  write("t.txt", "one\n two \n\n\nthree\r\nfour");
  const std::vector<std::pair<DocumentLayout, std::vector<std::string>>> cases = {
      {DocumentLayout::kFile, {"one\ntwo\nthree\nfour"}},
      {DocumentLayout::kBlankLines, {"one\ntwo", "three\nfour"}},
      {DocumentLayout::kLines, {"one", "two", "three", "four"}},
  };
  for (const auto& [layout, documents] : cases) {
    ASSERT_TRUE(prepare({.name = "t", .path = "t.txt", .documents = layout}));
    const Shard shard = open("t");
    ASSERT_EQ(shard.manifest().sequences, documents.size());
    for (std::size_t i = 0; i < documents.size(); ++i) EXPECT_EQ(text(shard.sequence(i)), documents[i]);
    EXPECT_EQ(shard.manifest().words, 4u);
  }
}

TEST_F(Prepare, LeavesOutThePhotosOfAnEvaluationSplit) {
  write("captions.tsv", "12.jpg\t0\tone\n120.jpg\t0\ttwo\ndog.jpg\t0\tthree\n3_ab.jpg\t0\tfour\ndog2.jpg\t0\tfive\n");
  write("dev.txt", "12_693b08cb0e.jpg\ndog.jpg\n3.png\nnot-here.jpg\n");
  SourceSettings source{.name = "c", .kind = SourceKind::kCaptions, .path = "captions.tsv"};
  ASSERT_TRUE(prepare(source));
  EXPECT_EQ(open("c").image_names().size(), 5u);
  source.exclude = "dev.txt";
  ASSERT_FALSE(prepare(source)->reused);
  EXPECT_THAT(open("c").image_names(), ElementsAre("120.jpg", "dog2.jpg"));
  EXPECT_TRUE(prepare(source)->reused);
  write("dev.txt", "120_x.jpg\n");
  EXPECT_FALSE(prepare(source)->reused);
  source.exclude = "missing.txt";
  EXPECT_FALSE(prepare(source));
}

TEST_F(Prepare, StopsAfterTheWantedWords) {
  write("t.txt", "one two\nthree four\nfive\n");
  ASSERT_TRUE(prepare({.name = "t", .path = "t.txt", .max_words = 3}));
  EXPECT_EQ(text(open("t").tokens()), "one two\nthree four");
}

TEST_F(Prepare, HoldsOutTheTailFromADocumentsStart) {
  write("t.txt", "aaaa\nbbbb\ncccc\n");
  SourceSettings source{.name = "t", .path = "t.txt", .documents = DocumentLayout::kLines, .holdout_tokens = 5};
  ASSERT_TRUE(prepare(source));
  EXPECT_EQ(open("t").manifest().holdout_tokens, 8u);
  source.documents = DocumentLayout::kFile;
  ASSERT_TRUE(prepare(source));
  EXPECT_EQ(open("t").manifest().holdout_tokens, 5u);
  source.holdout_tokens = 14;
  const auto too_much = prepare(source);
  ASSERT_FALSE(too_much);
  EXPECT_THAT(too_much.error().message, HasSubstr("holdout_tokens"));
}

TEST_F(Prepare, ReusesAnUpToDateShardOnly) {
  const SourceSettings source = add_text("t", "hello world\n");
  EXPECT_TRUE(prepare(source)->reused);
  EXPECT_FALSE(prepare(source, true)->reused);
  SourceSettings other = source;
  other.max_words = 1;
  EXPECT_FALSE(prepare(other)->reused);
  write("t.txt", "hello there\n");
  EXPECT_FALSE(prepare(other)->reused);
  // An interrupted run leaves no manifest; a damaged shard is not up to date.
  std::filesystem::remove(folder_ / "shards/t/manifest.json");
  EXPECT_FALSE(Shard::open(settings_.shards + "/t"));
  EXPECT_FALSE(prepare(other)->reused);
  std::filesystem::resize_file(folder_ / "shards/t/tokens.npy", 64);
  EXPECT_FALSE(prepare(other)->reused);
  EXPECT_TRUE(prepare(other)->reused);
}

TEST_F(Prepare, EmptySourcesAndMissingFilesAreErrors) {
  write("t.txt", "\n\n");
  EXPECT_FALSE(prepare({.name = "t", .path = "t.txt"}));
  EXPECT_FALSE(prepare({.name = "t", .path = "missing.txt"}));
}

TEST_F(Prepare, ShardsThatContradictTheirManifestAreRefused) {
  add_captions("c", 2, 2);
  const std::string path = settings_.shards + "/c";
  write("shards/c/images.txt", "0.jpg\n");
  const auto names = Shard::open(path);
  ASSERT_FALSE(names);
  EXPECT_THAT(names.error().message, HasSubstr("images.txt"));
  write("shards/c/manifest.json", "{\"version\": 1}");
  const auto manifest = Shard::open(path);
  ASSERT_FALSE(manifest);
  EXPECT_THAT(manifest.error().message, HasSubstr("'name'"));
}

TEST(DataSettings, ValidationNamesTheKey) {
  DataSettings settings;
  settings.sources = {{.name = "t", .path = "x"}, {.name = "c", .kind = SourceKind::kCaptions, .path = "y"}};
  settings.train = {{.name = "s", .sources = {"t"}}};
  EXPECT_TRUE(settings.validate());
  const auto message = [&](auto change) {
    DataSettings changed = settings;
    change(changed);
    const auto status = changed.validate();
    return status ? std::string("valid") : status.error().message;
  };
  EXPECT_THAT(message([](auto& s) { s.sources[1].name = "t"; }), HasSubstr("data.source.name"));
  EXPECT_THAT(message([](auto& s) { s.sources[1].name = "../t"; }), HasSubstr("data.source.name"));
  EXPECT_THAT(message([](auto& s) { s.train[0].sources = {"x"}; }), HasSubstr("no [[data.source]] is named 'x'"));
  EXPECT_THAT(message([](auto& s) { s.train[0].sources = {"t", "c"}; }), HasSubstr("mixes"));
  EXPECT_THAT(message([](auto& s) { s.train[0].features = {"f.npy"}; }), HasSubstr("features"));
  EXPECT_THAT(message([](auto& s) { s.train[0].weight = 0; }), HasSubstr("weight"));
  EXPECT_THAT(message([](auto& s) { s.train[0].rows = 0; }), HasSubstr("rows"));
  EXPECT_THAT(message([](auto& s) { s.train.push_back(s.train[0]); }), HasSubstr("data.train.name"));
}

}  // namespace
}  // namespace bitmar
