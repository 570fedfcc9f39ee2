#include "objective/vocabulary_sampler.h"

#include <algorithm>
#include <cmath>

namespace bitmar {

VocabularySampler::VocabularySampler(std::span<const std::uint64_t> counts, std::uint64_t core_limit,
                                     std::uint64_t negatives, std::uint64_t column_multiple)
    : vocabulary_(counts.size()), negatives_(negatives), column_multiple_(column_multiple) {
  for (std::size_t id = 0; id < counts.size(); ++id) {
    if (counts[id] > 0) core_.push_back(static_cast<std::int64_t>(id));
  }
  std::ranges::stable_sort(core_, [&](std::int64_t a, std::int64_t b) {
    return counts[static_cast<std::size_t>(a)] > counts[static_cast<std::size_t>(b)];
  });
  if (core_.size() > core_limit) core_.resize(core_limit);
}

SampledColumns VocabularySampler::draw(const torch::Tensor& targets, Random& random) const {
  std::vector<std::int64_t> rows = core_;
  std::vector<std::int64_t> column(vocabulary_, -1);  // of a row already taken
  for (std::size_t i = 0; i < rows.size(); ++i)
    column[static_cast<std::size_t>(rows[i])] = static_cast<std::int64_t>(i);
  const auto take = [&](std::uint64_t row) {
    if (column[row] >= 0) return false;
    column[row] = static_cast<std::int64_t>(rows.size());
    rows.push_back(static_cast<std::int64_t>(row));
    return true;
  };

  const auto flat = targets.contiguous();
  const std::span<const std::int64_t> ids(flat.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(flat.numel()));
  for (const auto id : ids) take(static_cast<std::uint64_t>(id));
  const std::size_t certain = rows.size();
  const std::uint64_t rest = vocabulary_ - certain;
  const std::uint64_t multiple = (certain + negatives_ + column_multiple_ - 1) / column_multiple_ * column_multiple_;
  const std::uint64_t sampled = std::min(multiple - certain, rest);
  while (rows.size() < certain + sampled) take(random.below(vocabulary_));  // without replacement

  SampledColumns result;
  auto mapped = torch::empty_like(flat);
  std::int64_t* const out = mapped.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < ids.size(); ++i) out[i] = column[static_cast<std::size_t>(ids[i])];
  result.targets = mapped.view(targets.sizes());
  result.log_weights = torch::zeros({static_cast<std::int64_t>(rows.size())});
  if (sampled > 0) {
    result.log_weights.narrow(0, static_cast<std::int64_t>(certain), static_cast<std::int64_t>(sampled))
        .fill_(std::log(static_cast<double>(rest) / static_cast<double>(sampled)));
  }
  result.rows = torch::tensor(rows, torch::kLong);
  return result;
}

}  // namespace bitmar
