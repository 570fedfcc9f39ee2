// The streams of a mixture whose batches the model captions itself: it draws captions of the photos, and learns from
// what they are worth (objective/caption_reward.h) rather than from the captions in the data.
//
//   BITMAR_TRY(const CaptionPractice practice, CaptionPractice::open(settings.data, *loader, tokenizer));
//   learner.accumulate(practice.tensors(batch, learner.model(), learner.batch_seed(), device), 1.0);
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "data/batch_loader.h"
#include "nn/bitmar_model.h"
#include "objective/caption_reward.h"
#include "pretrain/batch_tensors.h"
#include "text/tokenizer.h"

namespace bitmar {

class CaptionPractice {
 public:
  // `loader` reads settings.train. The references are all captions that its streams have of their photos.
  static Result<CaptionPractice> open(const DataSettings& settings, const BatchLoader& loader,
                                      const Tokenizer& tokenizer);

  // What the learner learns from a batch: its own captions as batch_tensors() makes them, or, in a stream with
  // `samples`, captions that the model draws now, each token weighted by its caption's advantage. The draws depend on
  // `seed` alone.
  [[nodiscard]] BatchTensors tensors(const Batch& batch, BitmarModel& model, std::uint64_t seed,
                                     torch::Device device) const;

 private:
  struct Stream {
    std::uint32_t samples = 0;
    std::uint32_t length = 0;
    CaptionReward reward;
  };
  CaptionPractice(Tokenizer tokenizer, std::vector<std::optional<Stream>> streams)
      : tokenizer_(std::move(tokenizer)), streams_(std::move(streams)) {}

  Tokenizer tokenizer_;
  std::vector<std::optional<Stream>> streams_;  // of the mixture; none: its batches are learned as they are
};

// The captions of a photo in the data, as text.
[[nodiscard]] std::vector<std::string> reference_captions(const BatchLoader& loader, std::uint32_t stream,
                                                          std::int64_t image, const Tokenizer& tokenizer);

}  // namespace bitmar
