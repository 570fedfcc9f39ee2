// One token of a batch, and whose it is.
#pragma once

#include <cstdint>

#include "model/episodic_memory.h"
#include "model/fusion.h"
#include "model/sequence.h"

namespace bitmar {

struct TokenRow {
  std::uint32_t token = 0;                 // below the vocabulary's size
  SequenceState* sequence = nullptr;       // that the token continues; never null
  const FusionContext* image = nullptr;    // never null: without an image, the null token's context
  const EpisodicMemory* memory = nullptr;  // null: memory off, r_t = 0
};

}  // namespace bitmar
