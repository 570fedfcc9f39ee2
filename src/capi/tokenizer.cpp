#include "text/tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitmar/bitmar.h"
#include "capi/boundary.h"
#include "capi/handles.h"

using bitmar::ErrorCode;
using bitmar::Result;
using bitmar::TokenId;
using bitmar::capi::guarded;
using bitmar::capi::require;

namespace {

// Text and ids of no length may be NULL.
Result<void> require_elements(const void* pointer, std::size_t count, std::string_view name) {
  return count == 0 ? Result<void>() : require(pointer, name);
}

// Gives `found` to a buffer of the caller's, whose NULL with capacity 0 only asks for the size.
template <typename T>
Result<void> give(std::span<const T> found, T* buffer, std::size_t capacity, std::size_t* count,
                  std::string_view name) {
  *count = found.size();
  if (buffer == nullptr && capacity == 0) return {};
  BITMAR_TRY_VOID(require_elements(buffer, capacity, name));
  if (found.size() > capacity) {
    return bitmar::fail(ErrorCode::kOutOfRange, "{} holds {}; {} are needed", name, capacity, found.size());
  }
  std::ranges::copy(found, buffer);
  return {};
}

}  // namespace

extern "C" {

bitmar_status bitmar_tokenize(const bitmar_engine* engine, const char* text, size_t text_size, uint32_t* ids,
                              size_t capacity, size_t* count, bitmar_error* error) {
  if (count != nullptr) *count = 0;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(engine, "engine"));
    BITMAR_TRY_VOID(require_elements(text, text_size, "text"));
    BITMAR_TRY_VOID(require(count, "count"));
    const std::vector<TokenId> found = engine->engine->tokenizer().encode({text, text_size});
    return give<TokenId>(found, ids, capacity, count, "ids");
  });
}

bitmar_status bitmar_detokenize(const bitmar_engine* engine, const uint32_t* ids, size_t id_count, char* text,
                                size_t capacity, size_t* text_size, bitmar_error* error) {
  if (text_size != nullptr) *text_size = 0;
  return guarded(error, [&]() -> Result<void> {
    BITMAR_TRY_VOID(require(engine, "engine"));
    BITMAR_TRY_VOID(require_elements(ids, id_count, "ids"));
    BITMAR_TRY_VOID(require(text_size, "text_size"));
    const bitmar::Tokenizer& tokenizer = engine->engine->tokenizer();
    const std::span<const TokenId> given(ids, id_count);
    if (const auto unknown = std::ranges::find_if(given, [&](TokenId id) { return id >= tokenizer.vocabulary_size(); });
        unknown != given.end()) {
      return bitmar::fail(ErrorCode::kOutOfRange, "token {} is outside the vocabulary of {}", *unknown,
                          tokenizer.vocabulary_size());
    }
    const std::string found = tokenizer.decode(given);
    return give<char>(found, text, capacity, text_size, "text");
  });
}

}  // extern "C"
