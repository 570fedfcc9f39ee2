#include "pretrain/replicas.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "data/fingerprint.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

std::span<std::byte> bytes_of(const torch::Tensor& contiguous) {
  return {static_cast<std::byte*>(contiguous.mutable_data_ptr()), contiguous.nbytes()};
}

}  // namespace

void broadcast_checkpoint(Checkpoint& checkpoint, Communicator& communicator) {
  communicator.broadcast(std::as_writable_bytes(std::span(&checkpoint.step, 1)));
  for (auto& [name, tensor] : checkpoint.tensors) {
    tensor = tensor.cpu().contiguous();
    communicator.broadcast(bytes_of(tensor));
  }
  for (auto& [key, text] : checkpoint.texts) text = communicator.broadcast(text);
}

bool equal_replicas(const Checkpoint& checkpoint, Communicator& communicator) {
  Fingerprint print;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.starts_with("model.")) continue;
    const torch::Tensor values = tensor.cpu().contiguous();
    print.add_text({reinterpret_cast<const char*>(values.const_data_ptr()), values.nbytes()});
  }
  const auto prints = communicator.gather(print.hex());
  return std::ranges::all_of(prints, [&](const std::string& each) { return each == prints.front(); });
}

Result<void> agree_on(const std::string& text, const std::string& what, Communicator& communicator) {
  const std::string leading = communicator.broadcast(text);
  return communicator.agree(
      text == leading ? Result<void>()
                      : fail(ErrorCode::kInvalidArgument, "{} is not the same here as in the process of rank 0", what));
}

}  // namespace bitmar
