#include "nn/episodic_memory.h"

#include <cmath>
#include <vector>

#include "nn/autocast.h"
#include "nn/fused_ops.h"

namespace bitmar {
namespace {

constexpr double kNormFloor = 1e-8;        // of |q| |M_k| in the cosine
constexpr double kInitialSharpness = 8.0;  // beta: a slot at cosine 1 outweighs one at 0 by e^8 at the start
constexpr double kInitialDecay = 0.9;      // of the exponential query

// The summary of a segment: the query at its last real token. queries [rows, T, C], lengths [rows] -> [rows, C]
torch::Tensor last_real(const torch::Tensor& queries, const torch::Tensor& lengths) {
  const auto last = (lengths - 1).clamp_min(0).view({-1, 1, 1}).expand({-1, 1, queries.size(2)});
  return queries.gather(1, last).squeeze(1);
}

}  // namespace

EpisodicMemoryImpl::EpisodicMemoryImpl(const ModelConfig& config) : config_(config) {
  const std::int64_t slots = config.memory_slots;
  const std::int64_t width = config.width;
  write_ = register_module("write", BitLinear(width, slots));
  read_sharpness_ = register_parameter("read_sharpness", torch::full({1}, std::log(std::expm1(kInitialSharpness))));
  if (config.query == QueryKind::kExponential) {
    query_decay_ = register_parameter("query_decay", torch::full({1}, std::log(kInitialDecay / (1.0 - kInitialDecay))));
  }
  slots_ = register_buffer("slots", torch::randn({slots, width}) / std::sqrt(static_cast<double>(width)));
  usage_ = register_buffer("usage", torch::zeros({slots}));
}

torch::Tensor EpisodicMemoryImpl::queries(const torch::Tensor& fused) const {
  const AutocastScope full_precision(Autocast::kOff, fused.device());
  const std::int64_t length = fused.size(2);
  const auto floats = fused.options().dtype(torch::kFloat32);
  if (config_.query == QueryKind::kMean) {
    return fused.to(torch::kFloat32).cumsum(2) / torch::arange(1, length + 1, floats).view({1, 1, length, 1});
  }
  // q_1 = F_1, q_t = d q_{t-1} + (1 - d) F_t, unrolled: the weight of F_s in q_t is d^(t-s), times (1 - d) for s > 1.
  const auto decay = torch::sigmoid(query_decay_);
  const auto position = torch::arange(length, floats);
  const auto distance = position.view({length, 1}) - position.view({1, length});
  const auto first = torch::zeros({length}, floats).index_fill(0, torch::zeros({1}, floats.dtype(torch::kLong)), 1.0);
  const auto share = first + (1.0 - first) * (1.0 - decay);
  const auto weights = torch::pow(decay, distance.clamp_min(0.0)).tril() * share;  // [T, T]
  return torch::matmul(weights, fused.to(torch::kFloat32));
}

EpisodicMemoryImpl::Read EpisodicMemoryImpl::read(const torch::Tensor& queries, const torch::Tensor& slots,
                                                  const torch::Tensor& usage) const {
  const auto beta = torch::softplus(read_sharpness_);
  // As the runtime reads: on the 8-bit codes of queries and slots, over the norms of the originals.
  const auto rows = fake_quantize_heads(slots);
  const auto norms = queries.norm(2, -1, true) * slots.norm(2, -1).unsqueeze(1);          // [rows, T, K]
  const auto dots = torch::matmul(fake_quantize_heads(queries), rows.transpose(-2, -1));  // [rows, T, K]
  const auto scores =
      beta * (dots / norms.clamp_min(kNormFloor)) + (usage + config_.memory_usage_floor).log().unsqueeze(1);
  const auto attention = torch::softmax(scores, -1);
  return {torch::matmul(attention, rows), attention};
}

torch::Tensor EpisodicMemoryImpl::retrieve(const torch::Tensor& queries) const {
  const AutocastScope full_precision(Autocast::kOff, queries.device());
  return read(queries, slots_.detach().unsqueeze(0), usage_.detach().unsqueeze(0)).retrieved;
}

MemoryPass EpisodicMemoryImpl::forward(const torch::Tensor& queries, const torch::Tensor& mask) {
  const AutocastScope full_precision(Autocast::kOff, queries.device());
  const std::int64_t rows = queries.size(0);
  const std::int64_t segments = queries.size(1);
  const std::int64_t width = queries.size(3);
  const std::int64_t slot_count = slots_.size(0);
  const double rate = config_.memory_write_rate;

  // The store is one copy for all rows until a row has written.
  auto slots = slots_.detach().clone().unsqueeze(0);                 // [1 or rows, K, C]
  auto usage = usage_.detach().clone().unsqueeze(0);                 // [1 or rows, K]
  auto mean_slots = slots.squeeze(0);                                // the mean over the rows of their copies
  auto written = torch::zeros({rows, slot_count}, usage.options());  // the largest w_k / max w of the row's writes
  auto attention_sum = torch::zeros({slot_count}, usage.options());
  std::vector<torch::Tensor> retrieved;

  for (std::int64_t segment = 0; segment < segments; ++segment) {
    const auto query = queries.select(1, segment);  // [rows, T, C]
    const auto real = mask.select(1, segment);      // [rows, T]
    const auto lengths = real.sum(1);               // [rows]
    const auto [segment_retrieved, attention] = read(query, slots, usage);
    retrieved.push_back(segment_retrieved);
    {
      const torch::NoGradGuard no_grad;
      const auto weights = real.to(attention.scalar_type()).reshape({1, -1});  // [1, rows * T]
      attention_sum += torch::matmul(weights, attention.reshape({-1, slot_count})).squeeze(0);
    }

    const auto summary = last_real(query, lengths);                                       // q-bar [rows, C]
    const auto logits = write_->forward(summary) - config_.memory_usage_penalty * usage;  // [rows, K]
    const auto top = logits.topk(config_.memory_write_slots, 1);
    const auto chosen = std::get<1>(top);                      // [rows, m]
    const auto weights = torch::softmax(std::get<0>(top), 1);  // = the softmax over K, restricted and renormalised
    const auto wrote = lengths.gt(0).to(weights.scalar_type()).unsqueeze(1);  // [rows, 1]

    const auto index = chosen.unsqueeze(2).expand({rows, chosen.size(1), width});  // [rows, m, C]
    const auto old = slots.expand({rows, slot_count, width}).gather(1, index);
    const auto change = (rate * weights * wrote).unsqueeze(2) * (summary.unsqueeze(1) - old);
    mean_slots = mean_slots.index_add(0, chosen.reshape(-1), change.reshape({-1, width}) / static_cast<double>(rows));
    const auto strength = wrote * weights / std::get<0>(weights.max(1, true));  // w_k / max w
    {
      const torch::NoGradGuard no_grad;
      written = torch::maximum(written, torch::zeros_like(written).scatter(1, chosen, strength));
    }
    if (segment + 1 < segments) {
      slots = slots.expand({rows, slot_count, width}).scatter_add(1, index, change);
      usage = usage.expand({rows, slot_count});
      usage = usage.scatter(1, chosen, torch::maximum(usage.gather(1, chosen), strength));
    }
  }

  MemoryPass pass;
  pass.retrieved = torch::stack(retrieved, 1);
  pass.next_slots = mean_slots;
  pass.consistency = (mean_slots - slots_.detach()).square().sum();
  {
    const torch::NoGradGuard no_grad;
    pass.mean_attention = attention_sum / mask.sum().clamp_min(1);
    // First one decay for the step, u_d = rho u + (1 - rho) min(1, K a-bar); then each row's writes raise its copy,
    // max(u_d, w_k / max w), and the store takes the mean over the rows. One row: the runtime's rule for an episode.
    const double keep = config_.memory_usage_decay;
    const auto decayed = keep * usage_ + (1.0 - keep) * (pass.mean_attention * slot_count).clamp_max(1.0);
    pass.next_usage = torch::maximum(decayed.unsqueeze(0), written).mean(0);
  }
  return pass;
}

void EpisodicMemoryImpl::commit(const MemoryPass& pass) {
  const torch::NoGradGuard no_grad;
  slots_.copy_(pass.next_slots);
  usage_.copy_(pass.next_usage);
}

}  // namespace bitmar
