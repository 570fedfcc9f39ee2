#include "eval/captions/caption_metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace bitmar {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

class CaptionMetrics : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/captions/captions.json");
    golden_ = nlohmann::json::parse(file);
    for (const auto& item : golden_["items"]) {
      items_.push_back({item["candidate"], item["references"].get<std::vector<std::string>>()});
    }
    auto tokenizer = PtbTokenizer::create();
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::make_unique<PtbTokenizer>(*std::move(tokenizer));
  }
  nlohmann::json golden_;
  std::vector<CaptionItem> items_;
  std::unique_ptr<PtbTokenizer> tokenizer_;
};

TEST_F(CaptionMetrics, TokensEqualTheStanfordTokenizer) {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    EXPECT_EQ(join(tokenizer_->tokenize(items_[i].candidate)), golden_["items"][i]["candidate_tokens"])
        << items_[i].candidate;
  }
}

TEST_F(CaptionMetrics, ScoresEqualPycocoevalcap) {
  const CaptionScores scores = score_captions(items_, *tokenizer_);
  for (std::size_t order = 0; order < 4; ++order) {
    EXPECT_NEAR(scores.bleu[order], golden_["bleu"][order].get<double>(), 1e-9) << "BLEU-" << order + 1;
  }
  EXPECT_NEAR(scores.rouge_l, golden_["rouge_l"].get<double>(), 1e-9);
  EXPECT_NEAR(scores.cider, golden_["cider"].get<double>(), 1e-9);
}

TEST_F(CaptionMetrics, PerfectCandidatesScoreOneAndShuffledOnesFarLess) {
  for (auto& item : items_) item.candidate = item.references.front();
  const CaptionScores perfect = score_captions(items_, *tokenizer_);
  EXPECT_NEAR(perfect.bleu[3], 1.0, 1e-6);
  const CaptionScores chance = score_captions(shuffle_candidates(items_), *tokenizer_);
  EXPECT_LT(chance.cider, 0.5 * perfect.cider);
  EXPECT_EQ(chance.distinct, perfect.distinct);
}

TEST_F(CaptionMetrics, EmptyInputAndEmptyCandidatesAreDefined) {
  EXPECT_EQ(score_captions({}, *tokenizer_).cider, 0.0);
  for (auto& item : items_) item.candidate.clear();
  const CaptionScores scores = score_captions(items_, *tokenizer_);
  EXPECT_LT(scores.bleu[0], 1e-6);
  EXPECT_EQ(scores.rouge_l, 0.0);
  EXPECT_EQ(scores.cider, 0.0);
  EXPECT_EQ(scores.distinct, 1u);
}

TEST_F(CaptionMetrics, AnyBytesTokenizeWithoutHanging) {
  std::string bytes;
  for (int value = 0; value < 256; ++value) bytes += static_cast<char>(value);
  EXPECT_FALSE(tokenizer_->tokenize(bytes).empty());
}

}  // namespace
}  // namespace bitmar
