// The gradients as one message between processes.

#include <vector>

#include "optim/adamw_slot.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

torch::Tensor marked_rows(const torch::Tensor& marks, const torch::Tensor& like) {
  return marks.nonzero().flatten().to(like.device());
}

}  // namespace

torch::Tensor AdamW::Slot::marks() const {
  if (row_sparse) return touched.to(torch::kCPU, torch::kUInt8);
  return torch::full({1}, leaf.grad().defined() ? 1 : 0, torch::kUInt8);
}

std::int64_t AdamW::Slot::packed_size(const torch::Tensor& marks) const {
  return marks.count_nonzero().item<std::int64_t>() * (row_sparse ? value.size(1) : value.numel());
}

torch::Tensor AdamW::Slot::pack(const torch::Tensor& marks) const {
  if (row_sparse) return rows.index_select(0, marked_rows(marks, rows)).flatten().cpu();
  if (packed_size(marks) == 0) return torch::empty({0});
  if (!leaf.grad().defined()) return torch::zeros({value.numel()});
  return leaf.grad().to(torch::kCPU, torch::kFloat32).flatten();
}

void AdamW::Slot::unpack(const torch::Tensor& marks, const torch::Tensor& packed) {
  if (row_sparse) {
    const torch::Tensor indices = marked_rows(marks, rows);
    rows.index_copy_(0, indices, packed.view({indices.size(0), value.size(1)}).to(rows.device()));
    touched.index_fill_(0, indices, true);
  } else if (packed.numel() > 0) {
    leaf.mutable_grad() = packed.view_as(value).to(value.device()).clone();
  }
}

torch::Tensor AdamW::gradient_marks() {
  collect_row_gradients();
  std::vector<torch::Tensor> parts;
  for (const Slot& slot : state_->slots) parts.push_back(slot.marks());
  return torch::cat(parts);
}

torch::Tensor AdamW::pack_gradients(const torch::Tensor& marks) const {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  std::int64_t first = 0;
  for (const Slot& slot : state_->slots) {
    parts.push_back(slot.pack(marks.narrow(0, first, slot.mark_count())));
    first += slot.mark_count();
  }
  TORCH_CHECK(first == marks.size(0), "optimizer: marks of ", marks.size(0), " gradients, expected ", first);
  return torch::cat(parts);
}

void AdamW::unpack_gradients(const torch::Tensor& marks, const torch::Tensor& packed) {
  const torch::NoGradGuard no_grad;
  std::int64_t first = 0, place = 0;
  for (Slot& slot : state_->slots) {
    const torch::Tensor own = marks.narrow(0, first, slot.mark_count());
    const std::int64_t size = slot.packed_size(own);
    TORCH_CHECK(place + size <= packed.numel(), "optimizer: a message of ", packed.numel(), " gradients is too short");
    slot.unpack(own, packed.narrow(0, place, size));
    first += slot.mark_count();
    place += size;
  }
  TORCH_CHECK(place == packed.numel(), "optimizer: a message of ", packed.numel(), " gradients, expected ", place);
}

}  // namespace bitmar
