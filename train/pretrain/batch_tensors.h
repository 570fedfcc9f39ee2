// A loader's batch as tensors: what the model reads and what the objective compares.
#pragma once

#include <cstdint>
#include <optional>

#include "data/batch_loader.h"
#include "nn/bitmar_model.h"
#include "torch_headers.h"

namespace bitmar {

// Captions that the model drew itself: what they are worth.
struct Practice {
  torch::Tensor weights;  // float [n], of the targets' losses: the advantage of the caption that a target stands in
  double reward = 0;      // CIDEr-D, the mean over the drawn captions
};

// T here is the loader's longest segment less one: token t is an input, token t + 1 its target.
struct BatchTensors {
  ModelInput input;
  torch::Tensor targets;             // int64 [n], the next tokens at the real positions
  torch::Tensor host_targets;        // the same on the CPU
  torch::Tensor places;              // int64 [n], those positions in the flattened [rows * segments * T]
  torch::Tensor identity;            // int64 [images], the images' numbers
  torch::Tensor captions;            // int64 [pairs], a photo's captions in the flattened [rows * segments]
  torch::Tensor photos;              // int64 [pairs], the images that they are of
  std::uint32_t stream = 0;          // the batch's
  std::optional<Practice> practice;  // with it, `identity` says nothing: several rows stand for one photo
};

[[nodiscard]] BatchTensors batch_tensors(const Batch& batch, torch::Device device);

// Captions beside their photos, as the contrastive loss compares them.
struct CaptionPairs {
  torch::Tensor texts;     // [pairs, d], FP32, the means of the captions' Z
  torch::Tensor images;    // [pairs, d], FP32, the means of the photos' V_img
  torch::Tensor identity;  // int64 [pairs]
};

// All pairs of a batch with photos; not of practice. `output` is the model's on batch.input.
[[nodiscard]] CaptionPairs caption_pairs(const ModelOutput& output, const BatchTensors& batch);

}  // namespace bitmar
