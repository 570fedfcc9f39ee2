#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/options.h"

using bitmar::Caption;
using bitmar::GenerateOptions;
using bitmar::Generation;
using bitmar::Result;
using bitmar::capi::CaptionRequest;
using bitmar::capi::convert;
using bitmar::capi::guarded;
using bitmar::capi::require;

namespace {

// The contents of a container, whose size goes to the caller too.
template <typename Container>
auto give(const Container* container, std::size_t* size) -> decltype(container->data()) {
  if (size != nullptr) *size = container == nullptr ? 0 : container->size();
  return container == nullptr ? nullptr : container->data();
}

bitmar::TextCallback text_callback(bitmar_text_callback on_text, void* user_data) {
  if (on_text == nullptr) return {};
  return [on_text, user_data, piece = std::string()](std::string_view text) mutable {
    piece = text;
    return on_text(piece.c_str(), piece.size(), user_data);
  };
}

}  // namespace

extern "C" {

bitmar_status bitmar_session_caption(bitmar_session* session, const bitmar_caption_options* options,
                                     bitmar_caption** caption, bitmar_error* error) {
  if (caption != nullptr) *caption = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY_VOID(require(caption, "caption"));
    BITMAR_TRY(const CaptionRequest request, convert(options));
    BITMAR_TRY(Caption found, bitmar::caption(session->session, request.options, request.prompt));
    *caption = new bitmar_caption{std::move(found)};
    return {};
  });
}

const char* bitmar_caption_text(const bitmar_caption* caption, size_t* size) {
  return give(caption == nullptr ? nullptr : &caption->caption.text, size);
}

const uint32_t* bitmar_caption_ids(const bitmar_caption* caption, size_t* count) {
  return give(caption == nullptr ? nullptr : &caption->caption.ids, count);
}

double bitmar_caption_log_probability(const bitmar_caption* caption) {
  return caption == nullptr ? 0 : caption->caption.log_probability;
}

void bitmar_caption_free(bitmar_caption* caption) {
  delete caption;
}

bitmar_status bitmar_session_generate(bitmar_session* session, const char* prompt,
                                      const bitmar_generate_options* options, bitmar_text_callback on_text,
                                      void* user_data, bitmar_generation** generation, bitmar_error* error) {
  if (generation != nullptr) *generation = nullptr;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(session, "session"));
    BITMAR_TRY(const GenerateOptions generate_options, convert(options));
    const std::string_view text = prompt == nullptr ? std::string_view() : std::string_view(prompt);
    BITMAR_TRY(Generation made,
               bitmar::generate(session->session, text, generate_options, text_callback(on_text, user_data)));
    if (generation != nullptr) *generation = new bitmar_generation{std::move(made)};
    return {};
  });
}

const char* bitmar_generation_text(const bitmar_generation* generation, size_t* size) {
  return give(generation == nullptr ? nullptr : &generation->generation.text, size);
}

const uint32_t* bitmar_generation_ids(const bitmar_generation* generation, size_t* count) {
  return give(generation == nullptr ? nullptr : &generation->generation.ids, count);
}

bitmar_stop_reason bitmar_generation_stop_reason(const bitmar_generation* generation) {
  if (generation == nullptr) return BITMAR_STOP_END_OF_TEXT;
  switch (generation->generation.reason) {
    case bitmar::StopReason::kEndOfText:
      return BITMAR_STOP_END_OF_TEXT;
    case bitmar::StopReason::kMaximumTokens:
      return BITMAR_STOP_MAXIMUM_TOKENS;
    case bitmar::StopReason::kCallback:
      return BITMAR_STOP_CALLBACK;
  }
  return BITMAR_STOP_END_OF_TEXT;
}

size_t bitmar_generation_prompt_tokens(const bitmar_generation* generation) {
  return generation == nullptr ? 0 : generation->generation.prompt_tokens;
}

double bitmar_generation_prompt_seconds(const bitmar_generation* generation) {
  return generation == nullptr ? 0 : generation->generation.prompt_seconds;
}

double bitmar_generation_seconds(const bitmar_generation* generation) {
  return generation == nullptr ? 0 : generation->generation.generation_seconds;
}

void bitmar_generation_free(bitmar_generation* generation) {
  delete generation;
}

}  // extern "C"
