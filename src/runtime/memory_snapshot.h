// Memory snapshots: a session's memory with its journal as one safetensors file, bound to its model by the hash of the
// model's file. What is loaded equals what was saved bit for bit. docs/format.md lists keys and tensors.
//
//   BITMAR_TRY_VOID(save_memory_snapshot(*memory, "holiday.memory"));
//   BITMAR_TRY(Memory memory, load_memory_snapshot("holiday.memory", engine));
//   BITMAR_TRY_VOID(session.set_memory(std::move(memory)));
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/safetensors.h"
#include "runtime/memory.h"

namespace bitmar {

// Atomic: a reader sees the old snapshot or all of the new one.
[[nodiscard]] Result<void> save_memory_snapshot(const Memory& memory, const std::string& path);

// Errors name the file and the key or tensor. kNotFound: no such file; kInvalidArgument: a snapshot of another model;
// kUnsupported: the model has no memory; kInvalidFile: anything else that save_memory_snapshot() would not write.
[[nodiscard]] Result<Memory> load_memory_snapshot(const std::string& path, std::shared_ptr<const Engine> engine);
// The same from bytes; `name` stands in errors.
[[nodiscard]] Result<Memory> parse_memory_snapshot(std::span<const std::byte> bytes, const std::string& name,
                                                   std::shared_ptr<const Engine> engine);

// What a snapshot says of itself, without its model.
struct MemorySnapshotSummary {
  std::string model_hash;  // Engine::content_hash()
  std::uint64_t episodes = 0;
  std::uint64_t folded = 0;  // Memory::folded()
  std::uint64_t slots = 0;   // K
  std::uint64_t width = 0;   // C
};

[[nodiscard]] bool is_memory_snapshot(const SafeTensorsFile& file);
// Checks the metadata and the shapes, not the values: those depend on the model.
[[nodiscard]] Result<MemorySnapshotSummary> summarise_memory_snapshot(const SafeTensorsFile& file);

}  // namespace bitmar
