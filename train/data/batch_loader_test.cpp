#include "data/batch_loader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "data/testing.h"

namespace bitmar {
namespace {

using ::testing::HasSubstr;

class Loader : public testing_data::DataTest {
 protected:
  std::unique_ptr<BatchLoader> open(bool held_out = false) const {
    auto loader = BatchLoader::open(settings_, settings_.train, held_out);
    EXPECT_TRUE(loader) << loader.error().message;
    return *std::move(loader);
  }
  // The tokens of one segment as text, end-of-text as '|'.
  static std::string segment(const Batch& batch, std::uint64_t row, std::uint64_t g) {
    std::string text;
    const std::uint64_t index = row * batch.segments + g;
    for (std::int64_t i = 0; i < batch.lengths[index]; ++i) {
      const auto id = static_cast<TokenId>(batch.tokens[index * batch.length + static_cast<std::uint64_t>(i)]);
      text += id == 256 ? std::string("|") : std::string(tokenizer().bytes(id));
    }
    return text;
  }
  static std::vector<Batch> take(BatchLoader& loader, std::size_t count) {
    std::vector<Batch> batches;
    for (std::size_t i = 0; i < count; ++i) {
      auto batch = loader.next();
      EXPECT_TRUE(batch) << batch.error().message;
      batches.push_back(*std::move(batch));
    }
    return batches;
  }
  static void expect_equal(const Batch& a, const Batch& b) {
    EXPECT_EQ(a.stream, b.stream);
    EXPECT_EQ(a.epoch, b.epoch);
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.lengths, b.lengths);
    EXPECT_EQ(a.images, b.images);
    EXPECT_EQ(a.features, b.features);
  }
  // A text of `count` different two-digit numbers.
  static std::string numbers(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += fmt::format("{:03}", i);
    return text;
  }
};

TEST_F(Loader, CaptionRowsCarryTheirImagesFeaturesAndEveryCaption) {
  add_captions("c", 10, 5);
  settings_.train = {{.name = "m", .sources = {"c"}, .features = {add_features("f.npy", 10, 3, 100)}, .rows = 4}};
  const auto loader = open();
  std::map<std::int64_t, std::set<std::string>> seen;
  std::uint64_t rows = 0;
  for (const Batch& batch : take(*loader, 8)) {  // 10 images x 3 rows, 4 a batch
    ASSERT_EQ(batch.epoch, 0u);
    ASSERT_EQ(batch.features.size(), batch.rows * 3 * 2u);
    rows += batch.rows;
    for (std::uint64_t row = 0; row < batch.rows; ++row) {
      const std::int64_t image = batch.images[row];
      EXPECT_EQ(loader->image_name(0, image), fmt::format("{}.jpg", image));
      for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(batch.features[row * 6 + i], 100.0f + static_cast<float>(image));
      EXPECT_NE(segment(batch, row, 0), segment(batch, row, 1));
      for (std::uint64_t g = 0; g < 2; ++g) {
        const std::string text = segment(batch, row, g);
        EXPECT_THAT(text, ::testing::StartsWith(fmt::format("|image {} caption ", image)));
        EXPECT_THAT(text, ::testing::EndsWith(".|"));
        seen[image].insert(text);
      }
    }
  }
  EXPECT_EQ(rows, 30u);
  ASSERT_EQ(seen.size(), 10u);
  for (const auto& [image, captions] : seen) EXPECT_EQ(captions.size(), 5u);
  EXPECT_EQ(take(*loader, 1)[0].epoch, 1u);
}

TEST_F(Loader, LongCaptionsAreCutAndShortRowsLackSegments) {
  add_captions("c", 3, 1);  // "image 0 caption 0." has 18 tokens
  settings_.train = {{.name = "m", .sources = {"c"}, .rows = 3, .length = 10}};
  const Batch batch = take(*open(), 1)[0];
  EXPECT_EQ(batch.length, 11u);
  EXPECT_EQ(batch.lengths, (std::vector<std::int64_t>{11, 0, 11, 0, 11, 0}));
  EXPECT_EQ(batch.target_tokens(), 30u);
  EXPECT_THAT(segment(batch, 0, 0), ::testing::StartsWith("|image "));
  EXPECT_EQ(batch.feature_tokens, 0u);
}

TEST_F(Loader, EveryTokenOfADocumentIsPredictedOnceInEveryEpoch) {
  const std::string text = numbers(70);
  add_text("t", text);
  settings_.train = {{.name = "t", .sources = {"t"}, .rows = 2, .segments = 3, .length = 8}};
  const auto loader = open();
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::uint64_t targets = 0;
    Batch batch = take(*loader, 1)[0];
    for (;; batch = take(*loader, 1)[0]) {
      ASSERT_EQ(batch.epoch, epoch);
      targets += batch.target_tokens();
      for (std::uint64_t row = 0; row < batch.rows; ++row) {
        for (std::uint64_t g = 0; g < 3; ++g) {
          const std::string chunk = segment(batch, row, g);
          EXPECT_LE(chunk.size(), 9u);
          EXPECT_NE(chunk.size(), 1u);
          if (chunk.empty()) continue;
          if (g > 0) {
            EXPECT_EQ(chunk.front(), segment(batch, row, g - 1).back());
          }
          EXPECT_THAT("|" + text + "|", HasSubstr(chunk));
        }
      }
      if (targets == text.size() + 1) break;
      ASSERT_LT(targets, text.size() + 1);
    }
  }
}

TEST_F(Loader, FixedOrderReconstructsTheDocument) {
  const std::string text = numbers(40);
  add_text("t", text, 20);
  settings_.train = {{.name = "t", .sources = {"t"}, .rows = 2, .segments = 2, .length = 7}};
  for (const bool held_out : {false, true}) {
    const auto loader = open(held_out);
    std::string joined = "|";
    for (std::uint64_t i = 0; i < loader->stream_batches(0); ++i) {
      const Batch batch = loader->stream_batch(0, i).value();
      for (std::uint64_t row = 0; row < batch.rows; ++row) {
        for (std::uint64_t g = 0; g < 2; ++g) {
          const std::string chunk = segment(batch, row, g);
          if (!chunk.empty()) joined += chunk.substr(1);
        }
      }
    }
    EXPECT_EQ(joined, "|" + (held_out ? text.substr(100) : text.substr(0, 100)) + "|");
    EXPECT_FALSE(loader->stream_batch(0, loader->stream_batches(0)));
  }
}

TEST_F(Loader, MixesByWeightInTheChosenUnit) {
  add_captions("c", 40, 2);
  add_text("t", numbers(2000));
  settings_.train = {{.name = "c", .sources = {"c"}, .weight = 0.5, .rows = 4},
                     {.name = "t", .sources = {"t"}, .weight = 0.5, .rows = 2, .length = 64}};
  const auto share = [&](MixtureUnit unit) {
    settings_.mixture_unit = unit;
    std::array<double, 2> sums = {0, 0};
    for (const Batch& batch : take(*open(), 300)) {
      sums[batch.stream] += unit == MixtureUnit::kBatches ? 1.0
                            : unit == MixtureUnit::kRows  ? batch.rows
                                                          : static_cast<double>(batch.target_tokens());
    }
    return sums[0] / (sums[0] + sums[1]);
  };
  // The lag is below one batch of the larger stream; 300 batches bring that under 2 %.
  for (const MixtureUnit unit : {MixtureUnit::kBatches, MixtureUnit::kRows, MixtureUnit::kTokens}) {
    EXPECT_NEAR(share(unit), 0.5, 0.02);
  }
  settings_.train[0].weight = 1.5;
  EXPECT_NEAR(share(MixtureUnit::kBatches), 0.75, 0.02);
}

TEST_F(Loader, BucketsRowsByLength) {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += std::string(static_cast<std::size_t>(1 + (i * 37) % 100), 'x') + "\n";
  add_text("t", lines, 0, DocumentLayout::kLines);
  settings_.train = {{.name = "t", .sources = {"t"}, .rows = 10, .segments = 1}};
  const auto padding = [&](std::uint32_t pool) {
    settings_.bucket_batches = pool;
    double cells = 0;
    double used = 0;
    for (const Batch& batch : take(*open(), 20)) {
      cells += static_cast<double>(batch.tokens.size());
      used += static_cast<double>(std::accumulate(batch.lengths.begin(), batch.lengths.end(), std::int64_t{0}));
    }
    return 1.0 - used / cells;
  };
  EXPECT_LT(padding(20), 0.1);
  EXPECT_GT(padding(1), 0.3);
}

TEST_F(Loader, ResumesExactlyWithAndWithoutPrefetch) {
  add_captions("c", 13, 3);
  add_text("t", numbers(300));
  settings_.train = {{.name = "m",
                      .sources = {"c"},
                      .features = {add_features("f.npy", 13, 1, 0), add_features("g.npy", 13, 1, 50)},
                      .rows = 4},
                     {.name = "t", .sources = {"t"}, .rows = 3, .length = 16}};
  settings_.prefetch = 0;
  const std::vector<Batch> reference = take(*open(), 60);
  for (const std::uint32_t prefetch : {0u, 3u}) {
    settings_.prefetch = prefetch;
    for (const std::size_t cut : {0u, 1u, 17u, 40u}) {
      const auto before = open();
      take(*before, cut);
      const auto after = open();
      take(*after, 5);  // its own position is dropped by seek
      ASSERT_TRUE(after->seek(before->position()));
      const std::vector<Batch> rest = take(*after, reference.size() - cut);
      for (std::size_t i = 0; i < rest.size(); ++i) expect_equal(rest[i], reference[cut + i]);
    }
  }
  // Both views of the photos occur.
  const auto of_view = [&](float low) {
    return std::ranges::count_if(reference, [&](const Batch& b) {
      return std::ranges::any_of(b.features, [&](float v) { return v >= low && v < low + 50; });
    });
  };
  EXPECT_GT(of_view(0), 0);
  EXPECT_GT(of_view(50), 0);
}

TEST_F(Loader, OrderDependsOnSeedAndEpoch) {
  add_captions("c", 50, 2);
  settings_.train = {{.name = "c", .sources = {"c"}, .rows = 50}};
  const std::vector<Batch> epochs = take(*open(), 2);
  EXPECT_EQ(epochs[1].epoch, 1u);
  EXPECT_NE(epochs[0].images, epochs[1].images);
  settings_.seed = 2;
  EXPECT_NE(take(*open(), 1)[0].images, epochs[0].images);
}

TEST_F(Loader, ReadsTheFeaturesOfItsOwnShareAlone) {
  add_captions("c", 40, 2);
  StreamSettings photos{.name = "photos", .sources = {"c"}, .features = {add_features("f.npy", 40, 3, 0)}};
  photos.rows = 7;
  settings_.train = {photos};
  for (const std::uint32_t prefetch : {0u, 3u}) {
    settings_.prefetch = prefetch;
    const std::vector<Batch> whole = take(*open(), 24);
    const auto loader = open();
    const StepShare share{.rank = 1, .size = 2, .accumulation = 3};
    loader->read_features_of(share);
    std::vector<Batch> own = take(*loader, 12);
    const auto resumed = open();  // between steps, and dropping what it has read ahead
    resumed->read_features_of(share);
    take(*resumed, 2);
    ASSERT_TRUE(resumed->seek(loader->position()));
    for (Batch& batch : take(*resumed, 12)) own.push_back(std::move(batch));
    for (std::size_t i = 0; i < whole.size(); ++i) {
      if (share.owns(i)) {
        expect_equal(own[i], whole[i]);
        EXPECT_FALSE(own[i].features.empty());
      } else {
        EXPECT_TRUE(own[i].features.empty());
        EXPECT_EQ(own[i].tokens, whole[i].tokens);
      }
    }
  }
}

TEST_F(Loader, RefusesPositionsOfOtherData) {
  add_text("t", numbers(100));
  settings_.train = {{.name = "t", .sources = {"t"}, .length = 16}};
  const std::string position = open()->position();
  const auto refused = [&](const std::string& text) {
    const auto status = open()->seek(text);
    return !status && status.error().code == ErrorCode::kInvalidFile;
  };
  EXPECT_FALSE(refused(position));
  EXPECT_TRUE(refused("nonsense"));
  EXPECT_TRUE(refused("{}"));
  EXPECT_TRUE(refused(R"({"version":1,"seed":1,"streams":[{"name":"t"}]})"));
  std::string beyond = position;
  beyond.replace(beyond.find("\"batch\":0"), 9, "\"batch\":9");
  EXPECT_TRUE(refused(beyond));
  settings_.train[0].length = 17;
  EXPECT_TRUE(refused(position));
}

TEST_F(Loader, MissingPiecesAreNamed) {
  add_captions("c", 4, 1);
  add_features("f.npy", 3, 1, 0);
  const auto message = [&](const StreamSettings& stream) {
    settings_.train = {stream};
    const auto loader = BatchLoader::open(settings_, settings_.train, false);
    return loader ? std::string("opened") : loader.error().message;
  };
  const std::string features = (folder_ / "f.npy").string();
  EXPECT_THAT(message({.name = "m", .sources = {"c"}, .features = {features}}), HasSubstr("no features of '3.jpg'"));
  add_features("g.npy", 4, 1, 0);
  add_features("h.npy", 4, 2, 0);
  EXPECT_THAT(
      message(
          {.name = "m", .sources = {"c"}, .features = {(folder_ / "g.npy").string(), (folder_ / "h.npy").string()}}),
      HasSubstr("h.npy: features [2, 2]"));
  write("f.npy.txt", "0.jpg\n");
  EXPECT_THAT(message({.name = "m", .sources = {"c"}, .features = {features}}), HasSubstr("1 names"));
  std::filesystem::remove_all(folder_ / "shards/c");
  EXPECT_THAT(message({.name = "m", .sources = {"c"}}), HasSubstr("run prepare"));
}

}  // namespace
}  // namespace bitmar
