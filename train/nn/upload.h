// From the host to a device without waiting for what the device still computes: a copy out of ordinary memory would.
#pragma once

#include "torch_headers.h"

namespace bitmar {

// `tensor` of the CPU on `device`; on the CPU itself the same tensor.
inline torch::Tensor upload(const torch::Tensor& tensor, torch::Device device) {
  if (!device.is_cuda() || !tensor.is_cpu()) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace bitmar
