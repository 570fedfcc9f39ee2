#include "nn/checkpointing.h"

#include "nn/autocast.h"

namespace bitmar {
namespace {

struct BlockHolder : torch::CustomClassHolder {
  BlockHolder(CheckpointedBlock run, const AutocastState& state) : block(std::move(run)), autocast(state) {}
  CheckpointedBlock block;
  AutocastState autocast;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  // The anchor makes the result require a gradient even where no input does: the block's parameters do.
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& anchor,
                               at::TensorList inputs, const CheckpointedBlock& block) {
    (void)anchor;
    context->save_for_backward(inputs.vec());
    const auto autocast = AutocastState::of(inputs.front().device().type());
    context->saved_data["block"] = c10::IValue::make_capsule(c10::make_intrusive<BlockHolder>(block, autocast));
    return block(inputs.vec());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto holder = c10::static_intrusive_pointer_cast<BlockHolder>(context->saved_data["block"].toCapsule());
    std::vector<torch::Tensor> inputs;
    for (const auto& saved : context->get_saved_variables()) {
      inputs.push_back(saved.detach().requires_grad_(saved.requires_grad()));
    }
    {
      const torch::AutoGradMode enabled(true);
      const auto output = [&] {
        const AutocastScope autocast(holder->autocast);  // the forward pass's ended before the backward pass
        return holder->block(inputs);
      }();
      output.backward(gradients[0]);
    }
    torch::autograd::variable_list result{torch::Tensor()};  // the anchor's
    for (const auto& input : inputs) result.push_back(input.grad());
    result.emplace_back();  // the block's
    return result;
  }
};

}  // namespace

torch::Tensor checkpointed(const CheckpointedBlock& block, const std::vector<torch::Tensor>& inputs) {
  const auto anchor = torch::zeros({1}, torch::TensorOptions().requires_grad(true));
  return Recomputed::apply(anchor, at::TensorList(inputs), block);
}

}  // namespace bitmar
