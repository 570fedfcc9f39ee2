// BitMar's C API: photos to text on the CPU, with an episodic memory that can be listed and edited.
//
//   bitmar_error error;
//   bitmar_engine* engine = NULL;
//   bitmar_session* session = NULL;
//   bitmar_caption* caption = NULL;
//   if (bitmar_engine_open("bitmar-14m.gguf", NULL, &engine, &error) != BITMAR_OK ||
//       bitmar_session_open(engine, NULL, &session, &error) != BITMAR_OK ||
//       bitmar_session_set_image_file(session, "photo.jpg", &error) != BITMAR_OK ||
//       bitmar_session_caption(session, NULL, &caption, &error) != BITMAR_OK) {
//     fprintf(stderr, "%s\n", error.message);
//   } else {
//     printf("%s\n", bitmar_caption_text(caption, NULL));
//   }
//   bitmar_caption_free(caption);
//   bitmar_session_free(session);
//   bitmar_engine_free(engine);
//
// An engine is a model, loaded: it never changes, and threads share it. A session is one user's context, image and
// memory: for one thread at a time. Handles may be freed in any order, and freeing NULL does nothing.
//
// What can fail returns a bitmar_status and describes the failure in `error`, which may be NULL; it leaves its outputs
// 0 or NULL then, and the session as usable as before. A function that only looks at a handle cannot fail; it answers 0
// or NULL for a NULL handle. The library never prints, never exits and lets no C++ exception out.
//
// Text is UTF-8. Options may be NULL, which means the defaults; otherwise they begin as bitmar_..._options_default().
#ifndef BITMAR_BITMAR_H
#define BITMAR_BITMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BITMAR_API __attribute__((visibility("default")))
#else
#define BITMAR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

// "0.1.0".
BITMAR_API const char* bitmar_version(void);

// ---- Errors --------------------------------------------------------------------------------------------------------

typedef enum bitmar_status {
  BITMAR_OK = 0,
  BITMAR_ERROR_INVALID_ARGUMENT = 1,  // a call that cannot be right, e.g. a NULL handle
  BITMAR_ERROR_NOT_FOUND = 2,         // a file or an episode that is not there
  BITMAR_ERROR_INVALID_FILE = 3,      // bytes that are not what their format promises
  BITMAR_ERROR_UNSUPPORTED = 4,       // valid input that this model does not handle, e.g. a photo without a tower
  BITMAR_ERROR_OUT_OF_RANGE = 5,      // a size, index or option beyond its limit
  BITMAR_ERROR_IO = 6,                // the operating system refused a read or write
  BITMAR_ERROR_OUT_OF_MEMORY = 7,
  BITMAR_ERROR_INTERNAL = 8,  // a bug of this library, or an exception that a callback threw
} bitmar_status;

// A word for a status, e.g. "not found"; "unknown" for any other number.
BITMAR_API const char* bitmar_status_name(int status);

#define BITMAR_ERROR_MESSAGE_SIZE 1024

// The caller's, so it needs no handle and no thread of its own.
typedef struct bitmar_error {
  bitmar_status status;
  char message[BITMAR_ERROR_MESSAGE_SIZE];  // one sentence, NUL-terminated, cut where it is longer; empty when OK
} bitmar_error;

// ---- Engine --------------------------------------------------------------------------------------------------------

typedef struct bitmar_engine bitmar_engine;

typedef struct bitmar_engine_options {
  size_t struct_size;      // set by bitmar_engine_options_default()
  const char* tower_path;  // a tower file, for a model without a tower or instead of its own; NULL: none
  const char* isa;         // the kernels' instruction set; NULL: what BITMAR_ISA names, else the fastest here
} bitmar_engine_options;

// Loads a model file, which it maps: the file must stay as it is while the engine is open.
BITMAR_API bitmar_status bitmar_engine_open(const char* path, const bitmar_engine_options* options,
                                            bitmar_engine** engine, bitmar_error* error);
// The same from the file's bytes, which are copied. `name` stands for the path in messages; NULL: "model".
BITMAR_API bitmar_status bitmar_engine_open_bytes(const void* bytes, size_t size, const char* name,
                                                  const bitmar_engine_options* options, bitmar_engine** engine,
                                                  bitmar_error* error);
BITMAR_API void bitmar_engine_free(bitmar_engine* engine);

BITMAR_API uint32_t bitmar_engine_vocabulary_size(const bitmar_engine* engine);
BITMAR_API uint32_t bitmar_engine_end_of_text(const bitmar_engine* engine);   // the id of <|endoftext|>
BITMAR_API size_t bitmar_engine_vision_width(const bitmar_engine* engine);    // of one patch feature
BITMAR_API bool bitmar_engine_has_vision_tower(const bitmar_engine* engine);  // takes photos, not only features
BITMAR_API size_t bitmar_engine_memory_slots(const bitmar_engine* engine);    // 0: the model has no memory
BITMAR_API size_t bitmar_engine_memory_bytes(const bitmar_engine* engine);    // that the loaded model takes

// ---- Tokenizer -----------------------------------------------------------------------------------------------------

// GPT-2's ids of any bytes. Writes to ids[capacity] where they fit, and always their number to *count: call it with
// ids = NULL and capacity = 0 first to learn how many there are. OUT_OF_RANGE: they do not fit a buffer that is given.
BITMAR_API bitmar_status bitmar_tokenize(const bitmar_engine* engine, const char* text, size_t text_size, uint32_t* ids,
                                         size_t capacity, size_t* count, bitmar_error* error);
// The bytes of ids, not NUL-terminated, in the same manner. A part of a character that stands alone stays as it is.
BITMAR_API bitmar_status bitmar_detokenize(const bitmar_engine* engine, const uint32_t* ids, size_t id_count,
                                           char* text, size_t capacity, size_t* text_size, bitmar_error* error);

// ---- Session -------------------------------------------------------------------------------------------------------

typedef struct bitmar_session bitmar_session;

typedef enum bitmar_memory_mode {
  BITMAR_MEMORY_READ_WRITE = 0,
  BITMAR_MEMORY_READ_ONLY = 1,  // the memory never changes: the same prompt gives the same bytes
  BITMAR_MEMORY_OFF = 2,
} bitmar_memory_mode;

typedef struct bitmar_session_options {
  size_t struct_size;   // set by bitmar_session_options_default()
  int32_t memory_mode;  // a bitmar_memory_mode; default: read and write; without effect on a model without a memory
  size_t threads;       // default: 1, the calling one; results do not depend on it
} bitmar_session_options;

// Keeps what it needs of the engine, also when the engine's handle is freed.
BITMAR_API bitmar_status bitmar_session_open(const bitmar_engine* engine, const bitmar_session_options* options,
                                             bitmar_session** session, bitmar_error* error);
BITMAR_API void bitmar_session_free(bitmar_session* session);

// An empty context; image and memory stay.
BITMAR_API void bitmar_session_reset(bitmar_session* session);
BITMAR_API uint64_t bitmar_session_position(const bitmar_session* session);         // tokens in the context so far
BITMAR_API uint32_t bitmar_session_vocabulary_size(const bitmar_session* session);  // of its logits
BITMAR_API size_t bitmar_session_memory_bytes(const bitmar_session* session);       // of caches and workspace

// The image of all tokens from now on. From a JPEG, PNG or WebP file's bytes; from a file; from 8-bit RGB rows top
// down, `stride` bytes apart (0: 3 * width); from patch features [patches, width] of the engine's vision width, as a
// tower gives them. UNSUPPORTED: pixels for a model that has no tower.
BITMAR_API bitmar_status bitmar_session_set_image_bytes(bitmar_session* session, const void* bytes, size_t size,
                                                        bitmar_error* error);
BITMAR_API bitmar_status bitmar_session_set_image_file(bitmar_session* session, const char* path, bitmar_error* error);
BITMAR_API bitmar_status bitmar_session_set_image_rgb(bitmar_session* session, const uint8_t* pixels, uint32_t width,
                                                      uint32_t height, size_t stride, bitmar_error* error);
BITMAR_API bitmar_status bitmar_session_set_features(bitmar_session* session, const float* features, size_t patches,
                                                     size_t width, bitmar_error* error);
BITMAR_API void bitmar_session_clear_image(bitmar_session* session);
BITMAR_API bool bitmar_session_has_image(const bitmar_session* session);

// Reads tokens, at least one. *logits (which may be NULL) gets the [vocabulary] logits after the last one; they stay
// valid until the next call with this session. A context begins with <|endoftext|>.
BITMAR_API bitmar_status bitmar_session_prefill(bitmar_session* session, const uint32_t* ids, size_t count,
                                                const float** logits, bitmar_error* error);
BITMAR_API bitmar_status bitmar_session_step(bitmar_session* session, uint32_t id, const float** logits,
                                             bitmar_error* error);

// How likely the model found a token, given all before it.
typedef struct bitmar_token_score {
  double log_probability;  // natural
  bool most_likely;        // greedy search would have taken it
} bitmar_token_score;

// Reads `count` tokens, at least one, and scores those from ids[context_count] on, each given all before it in the
// session's context. scores: [count - context_count]. INVALID_ARGUMENT: context_count is above count, or it is 0 in an
// empty context, whose first token nothing predicts. What fails has read nothing.
BITMAR_API bitmar_status bitmar_session_score(bitmar_session* session, const uint32_t* ids, size_t count,
                                              size_t context_count, bitmar_token_score* scores, bitmar_error* error);

// ---- Batches -------------------------------------------------------------------------------------------------------
// Several users' sessions advanced together: the weights are read once for all of their tokens, which gives more tokens
// a second. Each session ends up with the same bits as if it had read its tokens alone, whoever else is in the batch.

typedef struct bitmar_batch bitmar_batch;

typedef struct bitmar_batch_options {
  size_t struct_size;       // set by bitmar_batch_options_default()
  size_t maximum_sessions;  // default: 16; that one call advances
  size_t threads;           // default: 1, the calling one; the sessions' own are not used
} bitmar_batch_options;

// What one session reads.
typedef struct bitmar_batch_request {
  bitmar_session* session;
  const uint32_t* ids;
  size_t count;  // of ids, at least 1
} bitmar_batch_request;

// For one thread at a time, as are the sessions given to it. It holds no session between calls, and keeps what it needs
// of the engine.
BITMAR_API bitmar_status bitmar_batch_open(const bitmar_engine* engine, const bitmar_batch_options* options,
                                           bitmar_batch** batch, bitmar_error* error);
BITMAR_API void bitmar_batch_free(bitmar_batch* batch);
BITMAR_API uint32_t bitmar_batch_vocabulary_size(const bitmar_batch* batch);  // of its logits

// Each of `count` requests, of different sessions of the batch's engine, reads its ids: prompts of any lengths
// together. *logits (which may be NULL) gets the [count, vocabulary] logits after each one's last token; they stay
// valid until the next call with this batch. An error names the request by its index, and no session has read anything.
BITMAR_API bitmar_status bitmar_batch_prefill(bitmar_batch* batch, const bitmar_batch_request* requests, size_t count,
                                              const float** logits, bitmar_error* error);
// The same for one token each: sessions[i] reads ids[i].
BITMAR_API bitmar_status bitmar_batch_step(bitmar_batch* batch, bitmar_session* const* sessions, const uint32_t* ids,
                                           size_t count, const float** logits, bitmar_error* error);

// ---- Captions ------------------------------------------------------------------------------------------------------

typedef struct bitmar_caption bitmar_caption;

typedef struct bitmar_caption_options {
  size_t struct_size;     // set by bitmar_caption_options_default()
  size_t beam_width;      // default: 4; 1 is greedy search
  size_t maximum_tokens;  // default: 48
  float length_exponent;  // default: 1; a hypothesis' score is its log-probability / length^exponent
  const char* prompt;     // how the caption begins; NULL: freely
  float image_weight;     // default: 4; the hypothesis with the largest score + image_weight * cosine(text, image) is
                          // taken; 0 to 1000, without effect at beam_width 1
} bitmar_caption_options;

// Describes the session's image, in a new context. bitmar_memory_write() then stores image and caption.
BITMAR_API bitmar_status bitmar_session_caption(bitmar_session* session, const bitmar_caption_options* options,
                                                bitmar_caption** caption, bitmar_error* error);
// NUL-terminated, without the prompt; *size (which may be NULL) gets its bytes.
BITMAR_API const char* bitmar_caption_text(const bitmar_caption* caption, size_t* size);
BITMAR_API const uint32_t* bitmar_caption_ids(const bitmar_caption* caption, size_t* count);
BITMAR_API double bitmar_caption_log_probability(const bitmar_caption* caption);
BITMAR_API void bitmar_caption_free(bitmar_caption* caption);

// ---- Generation ----------------------------------------------------------------------------------------------------

typedef struct bitmar_generation bitmar_generation;

typedef struct bitmar_generate_options {
  size_t struct_size;          // set by bitmar_generate_options_default()
  size_t maximum_tokens;       // default: 128
  uint64_t seed;               // default: 0
  float temperature;           // default: 0, greedy
  float top_p;                 // default: 0.95; 1: off
  float min_p;                 // default: 0.05; 0: off
  float repetition_penalty;    // default: 1, off
  uint32_t top_k;              // default: 40; 0: off
  uint32_t repetition_window;  // default: 64 tokens
  bool stop_at_end;            // default: true, at <|endoftext|>; otherwise it is one more token
} bitmar_generate_options;

typedef enum bitmar_stop_reason {
  BITMAR_STOP_END_OF_TEXT = 0,
  BITMAR_STOP_MAXIMUM_TOKENS = 1,
  BITMAR_STOP_CALLBACK = 2,
} bitmar_stop_reason;

// Hears each piece of the text as it is made: whole characters, NUL-terminated, `size` bytes. Returns whether to go on.
// It may use anything but the session that calls it.
typedef bool (*bitmar_text_callback)(const char* piece, size_t size, void* user_data);

// Continues the session's context with a prompt (NULL or empty: none) and what the model makes of it. A new context is
// opened with <|endoftext|>. `on_text` and `generation` may be NULL.
BITMAR_API bitmar_status bitmar_session_generate(bitmar_session* session, const char* prompt,
                                                 const bitmar_generate_options* options, bitmar_text_callback on_text,
                                                 void* user_data, bitmar_generation** generation, bitmar_error* error);
// NUL-terminated, without the prompt; *size (which may be NULL) gets its bytes.
BITMAR_API const char* bitmar_generation_text(const bitmar_generation* generation, size_t* size);
BITMAR_API const uint32_t* bitmar_generation_ids(const bitmar_generation* generation, size_t* count);
BITMAR_API bitmar_stop_reason bitmar_generation_stop_reason(const bitmar_generation* generation);
BITMAR_API size_t bitmar_generation_prompt_tokens(const bitmar_generation* generation);
BITMAR_API double bitmar_generation_prompt_seconds(const bitmar_generation* generation);  // to read the prompt
BITMAR_API double bitmar_generation_seconds(const bitmar_generation* generation);         // to make the text
BITMAR_API void bitmar_generation_free(bitmar_generation* generation);

// ---- Episodic memory -----------------------------------------------------------------------------------------------
// UNSUPPORTED: the model has no memory, or it is off in the session. INVALID_ARGUMENT: a change in a read-only session.

// The tokens read since the context or the last episode began become an episode, and the context goes on. `text` and
// `source` (e.g. the photo's name; NULL: none) and `time` (ISO 8601; NULL: now) are kept beside it. *id (which may be
// NULL) gets its id, from 1. INVALID_ARGUMENT: no token was read.
BITMAR_API bitmar_status bitmar_memory_write(bitmar_session* session, const char* text, const char* source,
                                             const char* time, uint64_t* id, bitmar_error* error);
// Removes an episode with all that it did, as if it had not been. NOT_FOUND: there is none, or it is too old.
BITMAR_API bitmar_status bitmar_memory_forget(bitmar_session* session, uint64_t id, bitmar_error* error);

// The memory as a snapshot file, the same as `bitmar memory` keeps: written whole or not at all, and taken over bit for
// bit in place of the session's own. A snapshot belongs to the model that made it: INVALID_ARGUMENT for another's.
BITMAR_API bitmar_status bitmar_memory_save(bitmar_session* session, const char* path, bitmar_error* error);
BITMAR_API bitmar_status bitmar_memory_load(bitmar_session* session, const char* path, bitmar_error* error);

// The episodes at the time of the call, oldest first.
typedef struct bitmar_episodes bitmar_episodes;
BITMAR_API bitmar_status bitmar_memory_list(bitmar_session* session, bitmar_episodes** episodes, bitmar_error* error);
BITMAR_API size_t bitmar_episodes_count(const bitmar_episodes* episodes);
// 0 or NULL where `index` is not below the count.
BITMAR_API uint64_t bitmar_episodes_id(const bitmar_episodes* episodes, size_t index);
BITMAR_API const char* bitmar_episodes_text(const bitmar_episodes* episodes, size_t index);
BITMAR_API const char* bitmar_episodes_source(const bitmar_episodes* episodes, size_t index);
BITMAR_API const char* bitmar_episodes_time(const bitmar_episodes* episodes, size_t index);
BITMAR_API void bitmar_episodes_free(bitmar_episodes* episodes);

// ---- Default options -----------------------------------------------------------------------------------------------
// A struct may grow at its end in a later version: `size` is the caller's sizeof, and no byte beyond it is touched.

BITMAR_API void bitmar_engine_options_initialize(bitmar_engine_options* options, size_t size);
BITMAR_API void bitmar_session_options_initialize(bitmar_session_options* options, size_t size);
BITMAR_API void bitmar_batch_options_initialize(bitmar_batch_options* options, size_t size);
BITMAR_API void bitmar_caption_options_initialize(bitmar_caption_options* options, size_t size);
BITMAR_API void bitmar_generate_options_initialize(bitmar_generate_options* options, size_t size);

static inline bitmar_engine_options bitmar_engine_options_default(void) {
  bitmar_engine_options options;
  bitmar_engine_options_initialize(&options, sizeof options);
  return options;
}

static inline bitmar_session_options bitmar_session_options_default(void) {
  bitmar_session_options options;
  bitmar_session_options_initialize(&options, sizeof options);
  return options;
}

static inline bitmar_batch_options bitmar_batch_options_default(void) {
  bitmar_batch_options options;
  bitmar_batch_options_initialize(&options, sizeof options);
  return options;
}

static inline bitmar_caption_options bitmar_caption_options_default(void) {
  bitmar_caption_options options;
  bitmar_caption_options_initialize(&options, sizeof options);
  return options;
}

static inline bitmar_generate_options bitmar_generate_options_default(void) {
  bitmar_generate_options options;
  bitmar_generate_options_initialize(&options, sizeof options);
  return options;
}

#ifdef __cplusplus
}
#endif

#endif
