// The differentiable episodic memory of docs/model.md: content-addressed reads, top-m outer-product writes, usage.
//
// Training works on rows of consecutive segments. Every row evolves its own copy of the store: segment g reads the
// memory as its predecessors in the row left it, then writes its episode; it never reads its own write. After the
// optimizer's step, commit() makes the batch mean of the final copies the new store.
// All of it is FP32, whatever autocast says: beta, tens of it, multiplies the rounding of a score in the exponent.
//
//   MemoryPass pass = memory->forward(queries, mask);   // pass.retrieved feeds the decoder
//   loss = loss + weight * pass.consistency;
//   loss.backward(); optimizer.step(); memory->commit(pass);
#pragma once

#include "model/schema/config.h"
#include "nn/bit_linear.h"
#include "torch_headers.h"

namespace bitmar {

struct MemoryPass {
  torch::Tensor retrieved;       // r [rows, segments, T, C]
  torch::Tensor consistency;     // L_mem = ||M' - M||_F^2, a scalar
  torch::Tensor next_slots;      // M' [K, C]: the mean over the rows of their final copies; differentiable
  torch::Tensor mean_attention;  // a-bar [K] over the real tokens, detached
  torch::Tensor next_usage;      // u' [K], detached: the decay of the step, then the mean of the rows' writes
};

class EpisodicMemoryImpl : public torch::nn::Module {
 public:
  explicit EpisodicMemoryImpl(const ModelConfig& config);

  // q_t [rows, segments, T, C]: the running mean of F_1..F_t in the segment, or the exponential mean.
  torch::Tensor queries(const torch::Tensor& fused) const;

  // queries as above, mask [rows, segments, T] true at real tokens (a prefix of each segment; may be empty).
  MemoryPass forward(const torch::Tensor& queries, const torch::Tensor& mask);

  // r of queries [rows, T, C] from the store as it stands; nothing is written. -> [rows, T, C]
  torch::Tensor retrieve(const torch::Tensor& queries) const;

  // The store after the step.
  void commit(const MemoryPass& pass);

  const torch::Tensor& slots() const { return slots_; }
  const torch::Tensor& usage() const { return usage_; }

 private:
  struct Read {
    torch::Tensor retrieved;  // [rows, T, C]
    torch::Tensor attention;  // [rows, T, K]
  };
  // slots [1 or rows, K, C], usage [1 or rows, K].
  Read read(const torch::Tensor& queries, const torch::Tensor& slots, const torch::Tensor& usage) const;

  ModelConfig config_;
  BitLinear write_{nullptr};
  torch::Tensor read_sharpness_;  // [1], beta = softplus
  torch::Tensor query_decay_;     // [1], d = sigmoid; QueryKind::kExponential only
  torch::Tensor slots_;           // M [K, C], a buffer
  torch::Tensor usage_;           // u [K], a buffer
};
TORCH_MODULE(EpisodicMemory);

}  // namespace bitmar
