#include "eval/metrics/caption_metrics.h"

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

TEST_F(CaptionMetrics, BleuEqualsSacrebleu) {
  std::ifstream file(BITMAR_SOURCE_DIR "/tests/goldens/captions/sacrebleu.json");
  const auto golden = nlohmann::json::parse(file);
  std::vector<CaptionItem> items;
  for (const auto& item : golden["items"]) {
    items.push_back({item["candidate"], item["references"].get<std::vector<std::string>>()});
  }
  BleuCounts sum;
  for (const CaptionStatistics& photo : caption_statistics(items, *tokenizer_)) sum += photo.bleu;
  EXPECT_EQ(sum.candidate_length, golden["candidate_length"].get<double>());
  EXPECT_EQ(sum.reference_length, golden["reference_length"].get<double>());
  const auto bleu = corpus_bleu(sum);
  for (std::size_t order = 0; order < 4; ++order) {
    EXPECT_NEAR(bleu[order], golden["bleu"][order].get<double>(), 1e-9) << "BLEU-" << order + 1;
  }
}

TEST_F(CaptionMetrics, StatisticsOfPhotosMakeTheSetsScores) {
  const CaptionScores scores = score_captions(items_, *tokenizer_);
  BleuCounts sum;
  double rouge_l = 0;
  double cider = 0;
  for (const CaptionStatistics& photo : caption_statistics(items_, *tokenizer_)) {
    sum += photo.bleu;
    rouge_l += photo.rouge_l / static_cast<double>(items_.size());
    cider += photo.cider / static_cast<double>(items_.size());
  }
  EXPECT_EQ(corpus_bleu(sum), scores.bleu);
  EXPECT_NEAR(rouge_l, scores.rouge_l, 1e-12);
  EXPECT_NEAR(cider, scores.cider, 1e-12);
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
