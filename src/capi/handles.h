// What the opaque handles of bitmar.h hold.
#pragma once

#include <memory>
#include <vector>

#include "bitmar/bitmar.h"
#include "runtime/caption.h"
#include "runtime/engine.h"
#include "runtime/generator.h"
#include "runtime/memory.h"
#include "runtime/session.h"
#include "runtime/session_batch.h"

struct bitmar_engine {
  std::shared_ptr<const bitmar::Engine> engine;
};

struct bitmar_session {
  bitmar::Session session;
};

struct bitmar_batch {
  bitmar::SessionBatch batch;
  std::vector<bitmar::SessionBatch::Request> requests;  // of a call
};

struct bitmar_caption {
  bitmar::Caption caption;
};

struct bitmar_generation {
  bitmar::Generation generation;
};

struct bitmar_episodes {
  struct Entry {
    std::uint64_t id;
    bitmar::Provenance provenance;
  };
  std::vector<Entry> entries;  // oldest first
};
