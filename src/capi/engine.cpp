#include "runtime/engine.h"

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/options.h"

using bitmar::Engine;
using bitmar::EngineOptions;
using bitmar::Result;
using bitmar::capi::convert;
using bitmar::capi::guarded;
using bitmar::capi::require;

extern "C" {

bitmar_status bitmar_engine_open(const char* path, const bitmar_engine_options* options, bitmar_engine** engine,
                                 bitmar_error* error) {
  if (engine != nullptr) *engine = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(path, "path"));
    BITMAR_TRY_VOID(require(engine, "engine"));
    BITMAR_TRY(const EngineOptions engine_options, convert(options));
    BITMAR_TRY(auto opened, Engine::open(path, engine_options));
    *engine = new bitmar_engine{std::move(opened)};
    return {};
  });
}

bitmar_status bitmar_engine_open_bytes(const void* bytes, size_t size, const char* name,
                                       const bitmar_engine_options* options, bitmar_engine** engine,
                                       bitmar_error* error) {
  if (engine != nullptr) *engine = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(bytes, "bytes"));
    BITMAR_TRY_VOID(require(engine, "engine"));
    BITMAR_TRY(const EngineOptions engine_options, convert(options));
    const auto* begin = static_cast<const std::byte*>(bytes);
    BITMAR_TRY(auto opened, Engine::parse({begin, begin + size}, name == nullptr ? "model" : name, engine_options));
    *engine = new bitmar_engine{std::move(opened)};
    return {};
  });
}

void bitmar_engine_free(bitmar_engine* engine) {
  delete engine;
}

uint32_t bitmar_engine_vocabulary_size(const bitmar_engine* engine) {
  return engine == nullptr ? 0 : engine->engine->config().vocabulary;
}

uint32_t bitmar_engine_end_of_text(const bitmar_engine* engine) {
  return engine == nullptr ? 0 : engine->engine->tokenizer().end_of_text();
}

size_t bitmar_engine_vision_width(const bitmar_engine* engine) {
  return engine == nullptr ? 0 : engine->engine->config().vision_width;
}

bool bitmar_engine_has_vision_tower(const bitmar_engine* engine) {
  return engine != nullptr && engine->engine->tower() != nullptr;
}

size_t bitmar_engine_memory_slots(const bitmar_engine* engine) {
  if (engine == nullptr || engine->engine->memory() == nullptr) return 0;
  return engine->engine->config().memory_slots;
}

size_t bitmar_engine_memory_bytes(const bitmar_engine* engine) {
  return engine == nullptr ? 0 : engine->engine->memory_bytes();
}

}  // extern "C"
