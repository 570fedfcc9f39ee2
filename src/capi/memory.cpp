#include "runtime/memory.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "runtime/memory_snapshot.h"

using bitmar::Memory;
using bitmar::Provenance;
using bitmar::Result;
using bitmar::capi::guarded;
using bitmar::capi::require;

namespace {

const bitmar_episodes::Entry* entry_of(const bitmar_episodes* episodes, std::size_t index) {
  if (episodes == nullptr || index >= episodes->entries.size()) return nullptr;
  return &episodes->entries[index];
}

const char* text_of(const bitmar_episodes* episodes, std::size_t index, std::string Provenance::*field) {
  const bitmar_episodes::Entry* entry = entry_of(episodes, index);
  return entry == nullptr ? nullptr : (entry->provenance.*field).c_str();
}

}  // namespace

extern "C" {

bitmar_status bitmar_memory_write(bitmar_session* session, const char* text, const char* source, const char* time,
                                  uint64_t* id, bitmar_error* error) {
  if (id != nullptr) *id = 0;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    Provenance provenance{text == nullptr ? "" : text, source == nullptr ? "" : source,
                          time == nullptr ? bitmar::current_time() : time};
    BITMAR_TRY(const std::uint64_t written, session->session.write_episode(std::move(provenance)));
    if (id != nullptr) *id = written;
    return {};
  });
}

bitmar_status bitmar_memory_forget(bitmar_session* session, uint64_t id, bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY(Memory * memory, session->session.writable_memory());
    return memory->forget(id);
  });
}

bitmar_status bitmar_memory_save(bitmar_session* session, const char* path, bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(path, "path"));
    BITMAR_TRY(const Memory* memory, session->session.memory());
    return bitmar::save_memory_snapshot(*memory, path);
  });
}

bitmar_status bitmar_memory_load(bitmar_session* session, const char* path, bitmar_error* error) {
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(path, "path"));
    BITMAR_TRY_VOID(session->session.memory());
    BITMAR_TRY(Memory memory, bitmar::load_memory_snapshot(path, session->session.shared_engine()));
    return session->session.set_memory(std::move(memory));
  });
}

bitmar_status bitmar_memory_list(bitmar_session* session, bitmar_episodes** episodes, bitmar_error* error) {
  if (episodes != nullptr) *episodes = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(episodes, "episodes"));
    BITMAR_TRY(const Memory* memory, session->session.memory());
    auto list = std::make_unique<bitmar_episodes>();
    for (const bitmar::Episode* episode : memory->episodes()) {
      list->entries.push_back({episode->id, episode->provenance});
    }
    *episodes = list.release();
    return {};
  });
}

size_t bitmar_episodes_count(const bitmar_episodes* episodes) {
  return episodes == nullptr ? 0 : episodes->entries.size();
}

uint64_t bitmar_episodes_id(const bitmar_episodes* episodes, size_t index) {
  const bitmar_episodes::Entry* entry = entry_of(episodes, index);
  return entry == nullptr ? 0 : entry->id;
}

const char* bitmar_episodes_text(const bitmar_episodes* episodes, size_t index) {
  return text_of(episodes, index, &Provenance::text);
}

const char* bitmar_episodes_source(const bitmar_episodes* episodes, size_t index) {
  return text_of(episodes, index, &Provenance::source);
}

const char* bitmar_episodes_time(const bitmar_episodes* episodes, size_t index) {
  return text_of(episodes, index, &Provenance::time);
}

void bitmar_episodes_free(bitmar_episodes* episodes) {
  delete episodes;
}

}  // extern "C"
