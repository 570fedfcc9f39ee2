// Sums of what a step logs, kept where it was computed until the step ends: a host that reads a number after every
// batch waits each time for a GPU to come that far.
//
//   sums.add(0, loss);                            // every batch
//   const std::vector<double> all = sums.take();  // once a step
#pragma once

#include <cstddef>
#include <vector>

#include "torch_headers.h"

namespace bitmar {

class DeferredSums {
 public:
  // Adds a scalar to the sum of this number, in FP64.
  void add(std::size_t number, const torch::Tensor& value) {
    if (sums_.size() <= number) sums_.resize(number + 1);
    torch::Tensor& sum = sums_[number];
    const torch::Tensor term = value.detach().reshape({}).to(torch::kFloat64, /*non_blocking=*/false, /*copy=*/true);
    sum = sum.defined() ? sum + term : term;
  }

  // All sums so far, 0 where nothing was added, in one copy from the device; then they start anew.
  std::vector<double> take() {
    std::vector<double> result(sums_.size());
    std::vector<torch::Tensor> given;
    std::vector<std::size_t> numbers;
    for (std::size_t number = 0; number < sums_.size(); ++number) {
      if (!sums_[number].defined()) continue;
      given.push_back(sums_[number]);
      numbers.push_back(number);
    }
    sums_.clear();
    if (given.empty()) return result;
    const torch::Tensor host = torch::stack(given).cpu();
    for (std::size_t i = 0; i < numbers.size(); ++i) result[numbers[i]] = host.const_data_ptr<double>()[i];
    return result;
  }

 private:
  std::vector<torch::Tensor> sums_;  // by number; undefined: nothing yet
};

}  // namespace bitmar
