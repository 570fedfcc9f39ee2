// One AdamW update of a run of parameters as a fused loop over plain memory; adamw.cpp divides tensors among threads.
// Every element's result is independent of how the run is divided (8-bit state: as long as blocks stay whole).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bitmar {

// What is the same for all elements of a parameter in one step.
struct AdamWFactors {
  float keep = 1;  // 1 - rate * weight decay (row-sparse: the decay of all steps since the row's last)
  float beta1 = 0;
  float beta2 = 0;
  float rate = 0;        // learning rate / (1 - beta1^t)
  float root_scale = 1;  // sqrt(1 - beta2^t)
  float epsilon = 0;
};

// m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- keep w - rate m / (sqrt(v) / root_scale + epsilon)
void adamw_update(const AdamWFactors& factors, std::span<const float> gradient, std::span<float> parameter,
                  std::span<float> first, std::span<float> second);

// The same on one block of quantized state; `first` are signed codes of m, `second` unsigned codes of sqrt(v).
void adamw_update_block(const AdamWFactors& factors, std::span<const float> gradient, std::span<float> parameter,
                        std::span<std::uint8_t> first, float& first_scale, std::span<std::uint8_t> second,
                        float& second_scale);

}  // namespace bitmar
