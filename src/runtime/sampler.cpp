#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/ops.h"

namespace bitmar {
namespace {

Result<void> check(std::string_view name, float value, float low, float high) {
  if (!(value >= low && value <= high)) {
    return fail(ErrorCode::kOutOfRange, "{} is {}; expected {} to {}", name, value, low, high);
  }
  return {};
}

constexpr float kNoFloor = -std::numeric_limits<float>::infinity();
// Blocks of logits of which sorting all that count is cheaper than not sorting.
constexpr std::size_t kFewBlocks = 64;

}  // namespace

Result<void> SamplerOptions::validate() const {
  BITMAR_TRY_VOID(check("temperature", temperature, 0.0f, 100.0f));
  BITMAR_TRY_VOID(check("top-p", top_p, 0.0f, 1.0f));
  BITMAR_TRY_VOID(check("min-p", min_p, 0.0f, 1.0f));
  BITMAR_TRY_VOID(check("repetition penalty", repetition_penalty, 0.01f, 100.0f));
  BITMAR_TRY_VOID(check("repetition window", static_cast<float>(repetition_window), 0.0f, 65536.0f));
  return {};
}

Sampler::Sampler(const SamplerOptions& options, std::size_t vocabulary)
    : options_(options),
      random_(options.seed),
      recent_(options.repetition_window),
      blocks_(vocabulary),
      nucleus_(vocabulary) {
  if (options_.repetition_penalty != 1.0f) adjusted_.resize(vocabulary);
  if (options_.temperature > 0.0f) {
    candidates_.reserve(vocabulary);
    weights_.reserve(vocabulary);
    maxima_.reserve(blocks_.maxima().size());
  }
}

void Sampler::accept(TokenId id) {
  if (recent_.empty()) return;
  recent_[accepted_ % recent_.size()] = id;
  ++accepted_;
}

void Sampler::reset() {
  random_ = Random(options_.seed);
  accepted_ = 0;
}

std::span<const float> Sampler::penalised(std::span<const float> logits) {
  if (options_.repetition_penalty == 1.0f || accepted_ == 0) return logits;
  std::ranges::copy(logits, adjusted_.begin());
  const auto count = std::min<std::uint64_t>(accepted_, recent_.size());
  for (const TokenId id : std::span(recent_).first(count)) {
    if (id >= logits.size()) continue;
    // From the given logit, so that a token that stands in the window twice is penalised once.
    const float logit = logits[id];
    adjusted_[id] = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
  return std::span(adjusted_).first(logits.size());
}

// At least top_k logits reach it: the k-th largest of some groups' maxima.
float Sampler::floor_of_top_k() {
  const std::span<const float> maxima = blocks_.maxima();
  const std::size_t group = std::max<std::size_t>(1, maxima.size() / (4 * std::size_t{options_.top_k}));
  maxima_.clear();
  for (std::size_t first = 0; first < maxima.size(); first += group) {
    maxima_.push_back(*std::ranges::max_element(maxima.subspan(first, std::min(group, maxima.size() - first))));
  }
  if (options_.top_k >= maxima_.size()) return kNoFloor;
  const auto kth = maxima_.begin() + (options_.top_k - 1);
  std::ranges::nth_element(maxima_, kth, std::greater());
  return *kth;
}

// What reaches the floor, cut to top-k and sorted.
void Sampler::collect_candidates(std::span<const float> logits, float floor) {
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  candidates_.clear();
  const std::span<const float> maxima = blocks_.maxima();
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    if (maxima[block] < floor) continue;
    for (std::size_t row = 0; row < BlockMaxima::kRows; ++row) {
      const std::size_t id = BlockMaxima::element(block, row);
      if (id < logits.size() && logits[id] >= floor) candidates_.push_back({static_cast<TokenId>(id), logits[id]});
    }
  }
  if (options_.top_k > 0 && candidates_.size() > options_.top_k) {
    const auto end = candidates_.begin() + options_.top_k;
    std::ranges::nth_element(candidates_, end, before);
    candidates_.erase(end, candidates_.end());
  }
  std::ranges::sort(candidates_, before);
}

TokenId Sampler::draw_candidate() {
  weights_.clear();
  double total = 0;
  const auto largest = static_cast<double>(candidates_.front().logit);
  for (const Candidate& candidate : candidates_) {
    const double weight = std::exp((static_cast<double>(candidate.logit) - largest) / options_.temperature);
    weights_.push_back(weight);
    total += weight;
  }
  // Top-p keeps the fewest tokens whose probability reaches p, at least one.
  if (options_.top_p < 1.0f) {
    const double wanted = static_cast<double>(options_.top_p) * total;
    double kept = 0;
    std::size_t count = 0;
    while (count < weights_.size() && (count == 0 || kept < wanted)) kept += weights_[count++];
    weights_.resize(count);
    total = kept;
  }
  double target = random_.uniform() * total;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    target -= weights_[i];
    if (target < 0) return candidates_[i].id;
  }
  return candidates_[weights_.size() - 1].id;
}

TokenId Sampler::sample(const Kernels& kernels, std::span<const float> logits) {
  const std::span<const float> adjusted = penalised(logits);
  if (options_.temperature == 0.0f) return static_cast<TokenId>(row_max_index(kernels, adjusted));

  blocks_.set(kernels, adjusted);
  float floor = kNoFloor;
  if (options_.min_p > 0.0f) floor = blocks_.largest() + options_.temperature * std::log(options_.min_p);
  const auto reaching = static_cast<std::size_t>(
      std::ranges::count_if(blocks_.maxima(), [floor](float maximum) { return maximum >= floor; }));
  if (options_.top_k == 0 && reaching > kFewBlocks) {
    return nucleus_.draw(kernels, adjusted, blocks_, options_.temperature, floor, options_.top_p, random_);
  }
  if (options_.top_k > 0 && reaching > options_.top_k) floor = std::max(floor, floor_of_top_k());
  collect_candidates(adjusted, floor);
  return draw_candidate();
}

}  // namespace bitmar
