#include "runtime/nucleus_draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace bitmar {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Logits between two looks at whether the sums decide already.
constexpr std::size_t kStep = 4 * BlockMaxima::kChunk;
constexpr std::size_t kStepBlocks = kStep / BlockMaxima::kRows;
// A difference of two float sums says nothing about a smaller share of them.
constexpr double kSmallestShare = 0.01;

// The smallest number above a logit: `x > logit` is `x >= above(logit)`.
float above(float logit) {
  return std::nextafter(logit, kInfinity);
}

// Sums over the tokens that stand before `token`, and over all, in the range of ids [begin, end).
template <typename Sums>
ExponentialSums sums_before(std::span<const float> logits, std::size_t token, std::size_t begin, std::size_t end,
                            const Sums& sums) {
  const std::size_t middle = std::clamp(token, begin, end);
  const ExponentialSums first = sums(logits.subspan(begin, middle - begin), logits[token]);
  const ExponentialSums second = sums(logits.subspan(middle, end - middle), above(logits[token]));
  return {first.not_below + second.not_below, first.all + second.all};
}

// Of a multiple of four numbers; four chains, because one waits for each addition.
double sum_of(std::span<const float> values) {
  std::array<double, 4> sums{};
  for (std::size_t i = 0; i < values.size(); i += sums.size()) {
    for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += double{values[i + k]};
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

struct NucleusDraw::Row {
  const Kernels& kernels;
  std::span<const float> logits;
  const BlockMaxima& blocks;
  SoftmaxScale scale;
  float floor;
  double top_p;
};

NucleusDraw::NucleusDraw(std::size_t vocabulary)
    : block_weights_(BlockMaxima(vocabulary).maxima().size()),
      chunk_weights_(block_weights_.size() / BlockMaxima::kLanes),
      step_bounds_((vocabulary + kStep - 1) / kStep) {}

void NucleusDraw::weigh_blocks(const Row& row, float floor) {
  const std::span<const float> maxima = row.blocks.maxima();
  rough_exponentials(row.kernels, maxima, row.scale, block_weights_);
  constexpr auto kMargin = static_cast<float>(1.0 / kRoughUnder);
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    block_weights_[block] = maxima[block] >= floor ? block_weights_[block] * kMargin : 0.0f;
  }
  for (std::size_t chunk = 0; chunk < chunk_weights_.size(); ++chunk) {
    chunk_weights_[chunk] = sum_of(std::span(block_weights_).subspan(chunk * BlockMaxima::kLanes, BlockMaxima::kLanes));
  }
  total_weight_ = std::accumulate(chunk_weights_.begin(), chunk_weights_.end(), 0.0);
}

std::size_t NucleusDraw::draw_block(Random& random) const {
  double target = random.uniform() * total_weight_;
  std::size_t last = 0;  // that can be drawn, should rounding leave a rest
  for (std::size_t chunk = 0; chunk < chunk_weights_.size(); ++chunk) {
    if (target >= chunk_weights_[chunk]) {
      target -= chunk_weights_[chunk];
      continue;
    }
    const std::size_t first = chunk * BlockMaxima::kLanes;
    for (std::size_t block = first; block < first + BlockMaxima::kLanes; ++block) {
      if (block_weights_[block] == 0.0f) continue;
      last = block;
      target -= double{block_weights_[block]};
      if (target < 0.0) return block;
    }
  }
  return last;
}

// Returns their sum.
double NucleusDraw::bound_steps(const Row& row, std::size_t token) {
  const float logit = row.logits[token];
  const std::span<const float> maxima = row.blocks.maxima();
  double sum = 0.0;
  for (std::size_t step = 0; step < step_bounds_.size(); ++step) {
    const std::size_t first = step * kStepBlocks;
    const std::size_t end = std::min(first + kStepBlocks, maxima.size());
    std::array<float, BlockMaxima::kLanes> lanes{};
    for (std::size_t block = first; block < end; block += lanes.size()) {
      for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
        lanes[lane] += maxima[block + lane] >= logit ? block_weights_[block + lane] : 0.0f;
      }
    }
    step_bounds_[step] = sum_of(lanes) * BlockMaxima::kRows / kRoughUnder;
    sum += step_bounds_[step];
  }
  return sum;
}

// before < top_p * all, with all = before + rest: certain where it holds for the worst of both errors.
bool NucleusDraw::in_nucleus(const Row& row, std::size_t token) {
  constexpr double kUp = 1.0 / kRoughUnder;
  constexpr double kDown = 1.0 / kRoughOver;
  if (is_first(row, token)) return true;
  const double outside = 1.0 - row.top_p;
  const auto rough = [&](std::span<const float> part, float pivot) {
    return rough_exponential_sums(row.kernels, part, row.scale, pivot);
  };
  double to_come = bound_steps(row, token);
  ExponentialSums sums;
  for (std::size_t step = 0; step < step_bounds_.size(); ++step) {
    const std::size_t end = std::min((step + 1) * kStep, row.logits.size());
    const ExponentialSums part = sums_before(row.logits, token, step * kStep, end, rough);
    sums.not_below += part.not_below;
    sums.all += part.all;
    to_come = std::max(to_come - step_bounds_[step], 0.0);
    const double rest = sums.all - sums.not_below;
    if (row.floor > -kInfinity || rest < kSmallestShare * sums.all) continue;
    if (outside * (kUp * sums.not_below + to_come) < row.top_p * kDown * rest) return true;
  }
  if (row.floor > -kInfinity) sums.all = rough(row.logits, row.floor).not_below;
  const double rest = sums.all - sums.not_below;
  const double smallest = kSmallestShare * sums.all;
  if (rest >= smallest && outside * kUp * sums.not_below < row.top_p * kDown * rest) return true;
  if (outside * kDown * sums.not_below >= row.top_p * kUp * std::max(rest, smallest)) return false;
  return in_nucleus_exactly(row, token);
}

// No token stands before this one.
bool NucleusDraw::is_first(const Row& row, std::size_t token) {
  const float logit = row.logits[token];
  if (logit < row.blocks.largest()) return false;
  const std::span<const float> maxima = row.blocks.maxima();
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    if (maxima[block] < logit) continue;
    for (std::size_t i = 0; i < BlockMaxima::kRows; ++i) {
      const std::size_t other = BlockMaxima::element(block, i);
      if (other < token && row.logits[other] == logit) return false;
    }
  }
  return true;
}

bool NucleusDraw::in_nucleus_exactly(const Row& row, std::size_t token) const {
  const auto exact = [&](std::span<const float> part, float pivot) {
    return exponential_sums(row.kernels, part, row.scale, pivot);
  };
  ExponentialSums sums = sums_before(row.logits, token, 0, row.logits.size(), exact);
  if (row.floor > -kInfinity) sums.all = exact(row.logits, row.floor).not_below;
  return sums.not_below < row.top_p * sums.all;
}

TokenId NucleusDraw::draw(const Kernels& kernels, std::span<const float> logits, const BlockMaxima& blocks,
                          float temperature, float floor, float top_p, Random& random) {
  const SoftmaxScale scale{blocks.largest(), std::min(1.0 / double{temperature}, SoftmaxScale::kMaximumRate)};
  const Row row{kernels, logits, blocks, scale, floor, static_cast<double>(top_p)};
  weigh_blocks(row, floor);
  // Tokens from this one on were found outside.
  float bound = -kInfinity;
  std::size_t bound_token = logits.size();
  for (;;) {
    const std::size_t block = draw_block(random);
    const std::size_t token = BlockMaxima::element(block, random.below(BlockMaxima::kRows));
    if (token >= logits.size() || logits[token] < floor) continue;
    if (logits[token] < bound || (logits[token] == bound && token >= bound_token)) continue;
    const double weight = std::exp((double{logits[token]} - double{scale.largest}) * scale.rate);
    if (random.uniform() * double{block_weights_[block]} >= weight) continue;
    if (top_p >= 1.0f || in_nucleus(row, token)) return static_cast<TokenId>(token);
    bound = logits[token];
    bound_token = token;
    weigh_blocks(row, std::max(bound, floor));
  }
}

}  // namespace bitmar
