// AdamW (Loshchilov & Hutter 2019) with 8-bit block-wise state (Dettmers et al. 2021) and row-sparse gradients.
//
//   AdamW optimizer({{.name = "body", .parameters = {{"w", w}}, .state = StatePrecision::kBlockwise8}}, {});
//   loss.backward();
//   const double norm = optimizer.clip_gradients(1.0);
//   optimizer.step(learning_rate(schedule, step));
//   optimizer.zero_gradients();
//
// Row-sparse parameters (embedding, output head under a sampled loss) have a gradient on some rows only. Give it by
// add_row_gradient(), or let torch's sparse embedding leave a sparse .grad. Their rows have clocks of their own: a
// row's moments and bias correction advance only in steps that touch it, so that a rare token's step is as large as a
// frequent one's. Decoupled weight decay is exact but lazy: a row catches up on the decay it missed when it is touched
// next, or in apply_pending_decay().
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitmar {

enum class StatePrecision {
  kFloat32,
  // Two bytes a parameter and two floats a block of 2048. Tensors under 4096 elements keep 32-bit state (as in the
  // paper). The second moment is stored as its square root, never rounded down to zero: no update can explode.
  kBlockwise8,
};

struct NamedParameter {
  std::string name;
  torch::Tensor value;  // FP32 leaf, contiguous
};

struct ParameterGroup {
  std::string name;  // for freezing: "text-encoder", "vision", "memory", …
  std::vector<NamedParameter> parameters;
  double learning_rate_multiplier = 1.0;
  bool weight_decay = true;
  StatePrecision state = StatePrecision::kBlockwise8;
  bool row_sparse = false;  // 32-bit state only, two-dimensional parameters only
};

struct AdamWSettings {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  bool fused = true;  // parameters on the CPU: one fused loop; false: torch operations, as on other devices
};

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

class AdamW {
 public:
  // Throws c10::Error on duplicate names, non-FP32 or non-contiguous parameters, and impossible groups.
  AdamW(std::vector<ParameterGroup> groups, const AdamWSettings& settings);
  AdamW(AdamW&&) noexcept;
  AdamW& operator=(AdamW&&) noexcept;
  ~AdamW();

  // Adds to the gradient of a row-sparse parameter: `rows` int64 [n], `values` FP32 [n, columns]; rows may repeat.
  void add_row_gradient(std::string_view name, const torch::Tensor& rows, const torch::Tensor& values);

  // Takes over what backward() left on the row-sparse parameters. Called after every batch of a step it fixes the order
  // of summation: within a batch first, then over the batches.
  void collect_row_gradients();

  // The gradients as one message between processes that train together, each with gradients of its own:
  //   marks = gradient_marks(); marks = the greatest of all processes'; packed = pack_gradients(marks);
  //   packed = the sum of all processes'; unpack_gradients(marks, packed);
  // after which each process has the sum. Marks: uint8 [m] on the CPU, which parameters and rows have a gradient.
  [[nodiscard]] torch::Tensor gradient_marks();
  // The gradients of what is marked, zero where this process has none. FP32 [n] on the CPU
  [[nodiscard]] torch::Tensor pack_gradients(const torch::Tensor& marks) const;
  // Throws where `packed` has another size than the marks say.
  void unpack_gradients(const torch::Tensor& marks, const torch::Tensor& packed);

  // The L2 norm of every gradient there is, by parameter; frozen groups too.
  [[nodiscard]] std::vector<std::pair<std::string, double>> gradient_norms();

  // Scales all gradients, rows included, so that their global L2 norm is at most `maximum_norm`; returns the norm
  // before. Frozen groups do not count. Where the norm is not finite nothing is scaled. `maximum_norm` <= 0 only
  // measures.
  double clip_gradients(double maximum_norm);
  // Multiplies all gradients (after loss scaling).
  void scale_gradients(double factor);
  // One update. Parameters without a gradient and frozen groups are left alone, state and all.
  void step(double learning_rate);
  void zero_gradients();

  // Frozen groups ignore their gradients. Groups may share a name and freeze together. Throws on an unknown name.
  void set_frozen(std::string_view group, bool frozen);
  [[nodiscard]] bool has_group(std::string_view group) const;

  // Brings the lazy weight decay of all row-sparse parameters up to date: before evaluation on final weights or export.
  // Changes later rounding, so a run that must be resumed exactly calls it at fixed steps or never.
  void apply_pending_decay();

  // The exact state, to be stored in a checkpoint and given back; names start with the parameters' names. The tensors
  // share memory with the optimizer.
  [[nodiscard]] NamedTensors state() const;
  // Throws where a tensor is missing or of another shape or type.
  void load_state(const NamedTensors& state);

 private:
  struct Slot;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitmar
