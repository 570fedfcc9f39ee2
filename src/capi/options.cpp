#include "capi/options.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "capi/boundary.h"

namespace bitmar::capi {
namespace {

// The end of a field: a struct of version 0.1 is at least that long. These stay when fields are added.
#define BITMAR_END_OF(type, field) (offsetof(type, field) + sizeof(type::field))
constexpr std::size_t kSmallestEngineOptions = BITMAR_END_OF(bitmar_engine_options, isa);
constexpr std::size_t kSmallestSessionOptions = BITMAR_END_OF(bitmar_session_options, threads);
constexpr std::size_t kSmallestBatchOptions = BITMAR_END_OF(bitmar_batch_options, threads);
constexpr std::size_t kSmallestCaptionOptions = BITMAR_END_OF(bitmar_caption_options, prompt);
constexpr std::size_t kSmallestGenerateOptions = BITMAR_END_OF(bitmar_generate_options, stop_at_end);
#undef BITMAR_END_OF

constexpr bitmar_engine_options kEngineDefaults{sizeof(bitmar_engine_options), nullptr, nullptr};

bitmar_session_options session_defaults() {
  const SessionOptions options;
  return {sizeof(bitmar_session_options), BITMAR_MEMORY_READ_WRITE, options.threads};
}

bitmar_batch_options batch_defaults() {
  const SessionBatchOptions options;
  return {sizeof(bitmar_batch_options), options.maximum_sessions, options.threads};
}

bitmar_caption_options caption_defaults() {
  const CaptionOptions options;
  const BeamOptions& beam = options.beam;
  return {sizeof(bitmar_caption_options), beam.width, beam.maximum_tokens,
          beam.length_exponent,           nullptr,    options.image_weight};
}

bitmar_generate_options generate_defaults() {
  const GenerateOptions options;
  const SamplerOptions& sampler = options.sampler;
  return {sizeof(bitmar_generate_options),
          options.maximum_tokens,
          sampler.seed,
          sampler.temperature,
          sampler.top_p,
          sampler.min_p,
          sampler.repetition_penalty,
          sampler.top_k,
          sampler.repetition_window,
          options.stop_at_end};
}

template <typename Options>
void initialize(Options* options, std::size_t size, Options defaults) {
  if (options == nullptr || size < sizeof(defaults.struct_size)) return;
  size = std::min(size, sizeof(Options));
  defaults.struct_size = size;
  std::memcpy(options, &defaults, size);
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

Result<EngineOptions> convert(const bitmar_engine_options* given) {
  BITMAR_TRY(const bitmar_engine_options options,
             read_options(given, kEngineDefaults, kSmallestEngineOptions, "bitmar_engine_options"));
  return EngineOptions{text_or_empty(options.tower_path), text_or_empty(options.isa)};
}

Result<SessionOptions> convert(const bitmar_session_options* given) {
  BITMAR_TRY(const bitmar_session_options options,
             read_options(given, session_defaults(), kSmallestSessionOptions, "bitmar_session_options"));
  switch (options.memory_mode) {
    case BITMAR_MEMORY_READ_WRITE:
      return SessionOptions{MemoryMode::kReadWrite, options.threads};
    case BITMAR_MEMORY_READ_ONLY:
      return SessionOptions{MemoryMode::kReadOnly, options.threads};
    case BITMAR_MEMORY_OFF:
      return SessionOptions{MemoryMode::kOff, options.threads};
  }
  return fail(ErrorCode::kInvalidArgument, "bitmar_session_options: memory_mode is {}; expected a bitmar_memory_mode",
              options.memory_mode);
}

Result<SessionBatchOptions> convert(const bitmar_batch_options* given) {
  BITMAR_TRY(const bitmar_batch_options options,
             read_options(given, batch_defaults(), kSmallestBatchOptions, "bitmar_batch_options"));
  return SessionBatchOptions{options.maximum_sessions, options.threads};
}

Result<CaptionRequest> convert(const bitmar_caption_options* given) {
  BITMAR_TRY(const bitmar_caption_options options,
             read_options(given, caption_defaults(), kSmallestCaptionOptions, "bitmar_caption_options"));
  const BeamOptions beam{options.beam_width, options.length_exponent, options.maximum_tokens};
  return CaptionRequest{{beam, options.image_weight}, text_or_empty(options.prompt)};
}

Result<GenerateOptions> convert(const bitmar_generate_options* given) {
  BITMAR_TRY(const bitmar_generate_options options,
             read_options(given, generate_defaults(), kSmallestGenerateOptions, "bitmar_generate_options"));
  const SamplerOptions sampler{.temperature = options.temperature,
                               .top_k = options.top_k,
                               .top_p = options.top_p,
                               .min_p = options.min_p,
                               .repetition_penalty = options.repetition_penalty,
                               .repetition_window = options.repetition_window,
                               .seed = options.seed};
  return GenerateOptions{sampler, options.maximum_tokens, options.stop_at_end};
}

}  // namespace bitmar::capi

extern "C" {

void bitmar_engine_options_initialize(bitmar_engine_options* options, size_t size) {
  bitmar::capi::initialize(options, size, bitmar::capi::kEngineDefaults);
}

void bitmar_session_options_initialize(bitmar_session_options* options, size_t size) {
  bitmar::capi::initialize(options, size, bitmar::capi::session_defaults());
}

void bitmar_batch_options_initialize(bitmar_batch_options* options, size_t size) {
  bitmar::capi::initialize(options, size, bitmar::capi::batch_defaults());
}

void bitmar_caption_options_initialize(bitmar_caption_options* options, size_t size) {
  bitmar::capi::initialize(options, size, bitmar::capi::caption_defaults());
}

void bitmar_generate_options_initialize(bitmar_generate_options* options, size_t size) {
  bitmar::capi::initialize(options, size, bitmar::capi::generate_defaults());
}

}  // extern "C"
