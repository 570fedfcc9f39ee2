// Keeps the model, optimizer and position of processes that train together the same.
#pragma once

#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "parallel/communicator.h"

namespace bitmar {

// Rank 0's tensors and texts in the others' place: names, shapes and keys must be the same everywhere. Tensors on the
// CPU are overwritten where they lie.
void broadcast_checkpoint(Checkpoint& checkpoint, Communicator& communicator);

// Whether the "model." tensors have the same bits everywhere. They do where all processors compute alike.
[[nodiscard]] bool equal_replicas(const Checkpoint& checkpoint, Communicator& communicator);

// Fails on all where a process has another text than rank 0; `what` names it.
[[nodiscard]] Result<void> agree_on(const std::string& text, const std::string& what, Communicator& communicator);

}  // namespace bitmar
