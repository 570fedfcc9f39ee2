// One parameter of the optimizer: its gradient rows, state and update; and all of them. Internal to AdamW.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "optim/adamw.h"
#include "optim/adamw_kernels.h"

namespace bitmar {

struct AdamW::Slot {
  Slot(const NamedParameter& parameter, const ParameterGroup& owner, std::size_t owner_index);

  void add_rows(const torch::Tensor& rows, const torch::Tensor& values);
  // Moves a .grad that autograd left (sparse or dense) into the rows; on the CPU a row's parts are summed first.
  void collect_rows();
  // Touched rows, rising; int64 [n]. Empty where there are none.
  [[nodiscard]] torch::Tensor touched_rows() const;
  void clear_gradient();
  // The L2 norm of the gradient, a scalar tensor; undefined where there is none.
  [[nodiscard]] torch::Tensor gradient_norm() const;
  void scale_gradient(double factor);

  // The gradient's part of a message between processes; see AdamW::gradient_marks(). marks: uint8 on the CPU, one a row
  // where row_sparse, else one in all; packed: FP32 [n].
  [[nodiscard]] std::int64_t mark_count() const { return row_sparse ? value.size(0) : 1; }
  [[nodiscard]] torch::Tensor marks() const;
  [[nodiscard]] torch::Tensor pack(const torch::Tensor& marks) const;
  [[nodiscard]] std::int64_t packed_size(const torch::Tensor& marks) const;
  void unpack(const torch::Tensor& marks, const torch::Tensor& packed);

  void step(double rate, const AdamWSettings& settings);
  void apply_pending_decay();
  // Name suffix and tensor of every piece of state.
  [[nodiscard]] NamedTensors state() const;

  std::string name;
  torch::Tensor value;  // a detached alias of the parameter: shares its memory
  torch::Tensor leaf;   // the parameter itself, for .grad
  std::size_t group = 0;
  bool decays = true;
  double rate_multiplier = 1;
  bool row_sparse = false;
  bool quantized = false;

  torch::Tensor steps;                        // int64 [1]: updates so far
  torch::Tensor first, second;                // FP32 like value, or codes U8 [elements]
  torch::Tensor first_scale, second_scale;    // quantized: FP32 [blocks]
  torch::Tensor first_levels, second_levels;  // quantized: what the codes stand for, FP32 [256]

  // Row-sparse only.
  torch::Tensor clock;      // int64 [rows]: updates of the row
  torch::Tensor decay;      // FP64 [1]: sum of log(1 - rate * weight decay) over all steps
  torch::Tensor row_decay;  // FP64 [rows]: that sum when the row was last brought up to date
  torch::Tensor rows;       // FP32 [rows, columns]: the gradient where touched, zero elsewhere
  torch::Tensor touched;    // bool [rows]

 private:
  void step_dense(double rate, const AdamWSettings& settings);
  void step_dense_fused(const AdamWFactors& factors, const torch::Tensor& gradient);
  void step_dense_torch(const AdamWFactors& factors, const torch::Tensor& gradient);
  void step_rows(double rate, const AdamWSettings& settings);
  void step_rows_fused(const torch::Tensor& indices, double rate, const AdamWSettings& settings);
  void step_rows_torch(double rate, const AdamWSettings& settings);
};

struct AdamW::State {
  AdamWSettings settings;
  std::vector<std::string> group_names;
  std::vector<bool> frozen;  // [groups]
  std::vector<Slot> slots;
  std::unordered_map<std::string, std::size_t> index;

  // Calls `visit` on every slot whose group learns.
  template <typename Visit>
  void each_active(Visit visit) {
    for (Slot& slot : slots) {
      if (!frozen[slot.group]) visit(slot);
    }
  }
};

}  // namespace bitmar
