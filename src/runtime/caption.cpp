#include "runtime/caption.h"

#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "runtime/contrastive_encoder.h"

namespace bitmar {
namespace {

std::string trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

Caption to_caption(const Tokenizer& tokenizer, Hypothesis best) {
  StreamingDecoder decoder(tokenizer);
  std::string text;
  for (const TokenId id : best.ids) text += decoder.push(id);
  text += decoder.finish();
  return {trim(text), std::move(best.ids), best.log_probability};
}

// Chooses among hypotheses that continue one prompt, of one image after another.
class Judge {
 public:
  Judge(const CaptionOptions& options, std::span<const TokenId> prompt) : options_(options), prompt_(prompt) {}

  // The best of them, the likeliest of equally good ones.
  Result<Hypothesis> choose(const Session& session, std::vector<Hypothesis> hypotheses) {
    std::size_t best = 0;
    if (options_.image_weight > 0 && session.has_image() && hypotheses.size() > 1) {
      if (!encoder_) {
        const std::size_t longest = prompt_.size() + options_.beam.maximum_tokens;
        BITMAR_TRY(encoder_, ContrastiveEncoder::open(session.shared_engine(), longest));
      }
      double largest = 0;
      for (std::size_t i = 0; i < hypotheses.size(); ++i) {
        BITMAR_TRY(const double cosine, similarity(session.image_direction(), hypotheses[i].ids));
        const double score = hypotheses[i].score + double{options_.image_weight} * cosine;
        if (i > 0 && !(score > largest)) continue;
        best = i;
        largest = score;
      }
    }
    return std::move(hypotheses[best]);
  }

 private:
  Result<double> similarity(std::span<const float> image, std::span<const TokenId> ids) {
    std::vector<TokenId> tokens(prompt_.begin(), prompt_.end());
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    BITMAR_TRY(const std::vector<float> text, encoder_->text(tokens));
    return std::inner_product(text.begin(), text.end(), image.begin(), 0.0, std::plus<>(),
                              [](float a, float b) { return double{a} * double{b}; });
  }

  const CaptionOptions& options_;
  std::span<const TokenId> prompt_;
  std::optional<ContrastiveEncoder> encoder_;  // made when first needed
};

// What a caption's context begins with.
std::vector<TokenId> caption_start(const Tokenizer& tokenizer, std::span<const TokenId> prompt) {
  std::vector<TokenId> tokens{tokenizer.end_of_text()};
  tokens.insert(tokens.end(), prompt.begin(), prompt.end());
  return tokens;
}

}  // namespace

Result<void> CaptionOptions::validate() const {
  BITMAR_TRY_VOID(beam.validate());
  if (!(image_weight >= 0.0f && image_weight <= 1000.0f)) {
    return fail(ErrorCode::kOutOfRange, "image weight is {}; expected 0 to 1000", image_weight);
  }
  return {};
}

Result<Caption> caption(Session& session, const CaptionOptions& options, std::string_view prompt) {
  const Tokenizer& tokenizer = session.engine().tokenizer();
  BITMAR_TRY_VOID(options.validate());
  const std::vector<TokenId> begun = tokenizer.encode(prompt);
  session.reset();
  BITMAR_TRY_VOID(session.prefill(caption_start(tokenizer, begun)));
  BITMAR_TRY(std::vector<Hypothesis> hypotheses, beam_search(session, options.beam));
  BITMAR_TRY(Hypothesis best, Judge(options, begun).choose(session, std::move(hypotheses)));
  Caption result = to_caption(tokenizer, std::move(best));
  if (!result.ids.empty()) {
    BITMAR_TRY_VOID(session.prefill(result.ids));
  }
  return result;
}

Result<std::vector<Caption>> caption(SessionBatch& batch, std::span<Session* const> sessions,
                                     const CaptionOptions& options, std::string_view prompt) {
  const Tokenizer& tokenizer = batch.engine().tokenizer();
  BITMAR_TRY_VOID(options.validate());
  const std::vector<TokenId> begun = tokenizer.encode(prompt);
  const std::vector<TokenId> start = caption_start(tokenizer, begun);
  std::vector<SessionBatch::Request> requests;
  for (Session* session : sessions) requests.push_back({session, start});
  BITMAR_TRY_VOID(batch.check(requests));
  for (Session* session : sessions) session->reset();
  BITMAR_TRY_VOID(batch.prefill(requests));
  BITMAR_TRY(std::vector<std::vector<Hypothesis>> found, beam_search(batch, sessions, options.beam));
  std::vector<Caption> captions;
  Judge judge(options, begun);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    BITMAR_TRY(Hypothesis best, judge.choose(*sessions[i], std::move(found[i])));
    captions.push_back(to_caption(tokenizer, std::move(best)));
  }
  requests.clear();
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    if (!captions[i].ids.empty()) requests.push_back({sessions[i], captions[i].ids});
  }
  if (!requests.empty()) {
    BITMAR_TRY_VOID(batch.prefill(requests));
  }
  return captions;
}

}  // namespace bitmar
