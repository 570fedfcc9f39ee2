/* bitmar.h from C: arguments, files, options, tokenizer, images, logits. */
#include "capi/bitmar_h_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitmar/bitmar.h"
#include "capi/bitmar_h_test_support.h"

static int failures = 0;

void check(int holds, const char* condition, const char* file, int line) {
  if (holds) return;
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  ++failures;
}

int take_failures(void) {
  const int count = failures;
  failures = 0;
  return count;
}

bitmar_engine* open_engine(const char* path) {
  bitmar_error error;
  bitmar_engine* engine = NULL;
  if (bitmar_engine_open(path, NULL, &engine, &error) != BITMAR_OK) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  return engine;
}

bitmar_session* open_session(const bitmar_engine* engine) {
  bitmar_error error;
  bitmar_session* session = NULL;
  if (bitmar_session_open(engine, NULL, &session, &error) != BITMAR_OK) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  return session;
}

void read_logits(bitmar_session* session, float* logits) {
  static const uint32_t ids[] = {259, 17, 93, 250, 4, 4, 61};
  const float* found = NULL;
  bitmar_session_reset(session);
  CHECK(bitmar_session_prefill(session, ids, 7, &found, NULL) == BITMAR_OK);
  if (found != NULL) memcpy(logits, found, VOCABULARY * sizeof(float));
}

int same_logits(const float* a, const float* b) {
  return memcmp(a, b, VOCABULARY * sizeof(float)) == 0;
}

void make_features(float* features, uint32_t seed) {
  for (size_t i = 0; i < PATCHES * VISION_WIDTH; ++i) {
    seed = seed * 1664525u + 1013904223u;
    features[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
}

/* The whole of a file, which the caller frees. */
static unsigned char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  unsigned char* bytes = (unsigned char*)malloc(1 << 20);
  if (file == NULL || bytes == NULL) {
    fprintf(stderr, "cannot read %s\n", path);
    exit(1);
  }
  *size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

#define REFUSED(call, argument)                             \
  do {                                                      \
    CHECK((call) == BITMAR_ERROR_INVALID_ARGUMENT);         \
    CHECK(error.status == BITMAR_ERROR_INVALID_ARGUMENT);   \
    CHECK(strcmp(error.message, argument " is NULL") == 0); \
  } while (0)

int test_null_arguments(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = open_session(engine);
  bitmar_engine* no_engine = engine;
  bitmar_session* no_session = session;
  size_t size = 5;
  uint64_t id = 5;
  const float* logits = (const float*)&size;

  REFUSED(bitmar_engine_open(NULL, NULL, &no_engine, &error), "path");
  CHECK(no_engine == NULL);
  REFUSED(bitmar_engine_open(files->model, NULL, NULL, &error), "engine");
  REFUSED(bitmar_engine_open_bytes(NULL, 4, NULL, NULL, &no_engine, &error), "bytes");
  REFUSED(bitmar_engine_open_bytes("GGUF", 4, NULL, NULL, NULL, &error), "engine");
  REFUSED(bitmar_session_open(NULL, NULL, &no_session, &error), "engine");
  CHECK(no_session == NULL);
  REFUSED(bitmar_session_open(engine, NULL, NULL, &error), "session");
  REFUSED(bitmar_tokenize(NULL, "a", 1, NULL, 0, &size, &error), "engine");
  CHECK(size == 0);
  REFUSED(bitmar_tokenize(engine, NULL, 1, NULL, 0, &size, &error), "text");
  REFUSED(bitmar_tokenize(engine, "a", 1, NULL, 0, NULL, &error), "count");
  REFUSED(bitmar_tokenize(engine, "a", 1, NULL, 1, &size, &error), "ids");
  REFUSED(bitmar_detokenize(NULL, NULL, 0, NULL, 0, &size, &error), "engine");
  REFUSED(bitmar_detokenize(engine, NULL, 1, NULL, 0, &size, &error), "ids");
  REFUSED(bitmar_detokenize(engine, NULL, 0, NULL, 0, NULL, &error), "text_size");
  REFUSED(bitmar_session_prefill(NULL, (const uint32_t*)"abcd", 1, &logits, &error), "session");
  CHECK(logits == NULL);
  REFUSED(bitmar_session_prefill(session, NULL, 1, &logits, &error), "ids");
  REFUSED(bitmar_session_step(NULL, 1, &logits, &error), "session");
  REFUSED(bitmar_session_set_image_bytes(NULL, "a", 1, &error), "session");
  REFUSED(bitmar_session_set_image_bytes(session, NULL, 1, &error), "bytes");
  REFUSED(bitmar_session_set_image_file(NULL, files->photo, &error), "session");
  REFUSED(bitmar_session_set_image_file(session, NULL, &error), "path");
  REFUSED(bitmar_session_set_image_rgb(NULL, (const uint8_t*)"abc", 1, 1, 0, &error), "session");
  REFUSED(bitmar_session_set_image_rgb(session, NULL, 1, 1, 0, &error), "pixels");
  REFUSED(bitmar_session_set_features(NULL, (const float*)&size, 1, 1, &error), "session");
  REFUSED(bitmar_session_set_features(session, NULL, 1, VISION_WIDTH, &error), "features");
  REFUSED(bitmar_session_caption(NULL, NULL, NULL, &error), "session");
  REFUSED(bitmar_session_caption(session, NULL, NULL, &error), "caption");
  REFUSED(bitmar_session_generate(NULL, NULL, NULL, NULL, NULL, NULL, &error), "session");
  REFUSED(bitmar_memory_write(NULL, NULL, NULL, NULL, &id, &error), "session");
  CHECK(id == 0);
  REFUSED(bitmar_memory_forget(NULL, 1, &error), "session");
  REFUSED(bitmar_memory_save(NULL, "x", &error), "session");
  REFUSED(bitmar_memory_load(NULL, "x", &error), "session");
  REFUSED(bitmar_memory_list(NULL, NULL, &error), "session");
  REFUSED(bitmar_memory_list(session, NULL, &error), "episodes");
  /* Without a place for the message, the status alone. */
  CHECK(bitmar_session_step(NULL, 1, NULL, NULL) == BITMAR_ERROR_INVALID_ARGUMENT);

  CHECK(bitmar_engine_vocabulary_size(NULL) == 0 && bitmar_engine_end_of_text(NULL) == 0);
  CHECK(bitmar_engine_vision_width(NULL) == 0 && !bitmar_engine_has_vision_tower(NULL));
  CHECK(bitmar_engine_memory_slots(NULL) == 0 && bitmar_engine_memory_bytes(NULL) == 0);
  CHECK(bitmar_session_position(NULL) == 0 && bitmar_session_memory_bytes(NULL) == 0);
  CHECK(bitmar_session_vocabulary_size(NULL) == 0 && !bitmar_session_has_image(NULL));
  size = 5;
  CHECK(bitmar_caption_text(NULL, &size) == NULL && size == 0);
  CHECK(bitmar_caption_ids(NULL, NULL) == NULL && bitmar_caption_log_probability(NULL) == 0);
  CHECK(bitmar_generation_text(NULL, NULL) == NULL && bitmar_generation_ids(NULL, NULL) == NULL);
  CHECK(bitmar_generation_prompt_tokens(NULL) == 0 && bitmar_generation_seconds(NULL) == 0);
  CHECK(bitmar_episodes_count(NULL) == 0 && bitmar_episodes_text(NULL, 0) == NULL);
  bitmar_session_reset(NULL);
  bitmar_session_clear_image(NULL);
  bitmar_caption_free(NULL);
  bitmar_generation_free(NULL);
  bitmar_episodes_free(NULL);
  bitmar_session_free(NULL);
  bitmar_engine_free(NULL);

  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_bad_files(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = NULL;
  bitmar_session* session = NULL;
  size_t size = 0;
  unsigned char* bytes = read_file(files->tower_model, &size);
  char name[3000];

  CHECK(bitmar_engine_open("no/such.gguf", NULL, &engine, &error) == BITMAR_ERROR_NOT_FOUND);
  CHECK(engine == NULL && strstr(error.message, "no/such.gguf") != NULL);
  CHECK(bitmar_engine_open(files->photo, NULL, &engine, &error) == BITMAR_ERROR_INVALID_FILE);
  CHECK(engine == NULL && strstr(error.message, files->photo) != NULL);
  CHECK(bitmar_engine_open_bytes(bytes, size / 2, "half.gguf", NULL, &engine, &error) == BITMAR_ERROR_INVALID_FILE);
  CHECK(engine == NULL && strstr(error.message, "half.gguf") != NULL);
  CHECK(bitmar_engine_open_bytes(bytes, 0, NULL, NULL, &engine, &error) == BITMAR_ERROR_INVALID_FILE);

  /* A message longer than its place is cut between characters: after "x" come two-byte ones, to the last byte. */
  name[0] = 'x';
  for (size_t i = 1; i + 2 < sizeof name; i += 2) memcpy(name + i, "\xC3\xA9", 2);
  name[sizeof name - 1] = '\0';
  CHECK(bitmar_engine_open_bytes(bytes, 0, name, NULL, &engine, &error) == BITMAR_ERROR_INVALID_FILE);
  CHECK(strlen(error.message) == BITMAR_ERROR_MESSAGE_SIZE - 1);
  CHECK(memcmp(error.message, name, BITMAR_ERROR_MESSAGE_SIZE - 1) == 0);
  CHECK(bitmar_engine_open_bytes(bytes, 0, name + 1, NULL, &engine, &error) == BITMAR_ERROR_INVALID_FILE);
  CHECK(strlen(error.message) == BITMAR_ERROR_MESSAGE_SIZE - 2);

  CHECK(bitmar_engine_open_bytes(bytes, size, NULL, NULL, &engine, &error) == BITMAR_OK);
  CHECK(error.status == BITMAR_OK && error.message[0] == '\0');
  memset(bytes, 0, size); /* the engine has a copy */
  session = open_session(engine);
  CHECK(bitmar_session_set_image_file(session, "no/such.png", &error) == BITMAR_ERROR_NOT_FOUND);
  CHECK(strstr(error.message, "no/such.png") != NULL);
  CHECK(bitmar_session_set_image_bytes(session, "no photo", 8, &error) == BITMAR_ERROR_INVALID_FILE);
  CHECK(!bitmar_session_has_image(session));
  CHECK(bitmar_session_set_image_file(session, files->photo, &error) == BITMAR_OK);

  free(bytes);
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_options(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = NULL;
  bitmar_caption* caption = NULL;

  bitmar_engine_options engine_options = bitmar_engine_options_default();
  bitmar_engine* other = NULL;
  engine_options.isa = "abacus";
  CHECK(bitmar_engine_open(files->model, &engine_options, &other, &error) != BITMAR_OK);
  CHECK(other == NULL && strstr(error.message, "abacus") != NULL);
  engine_options.isa = NULL;
  engine_options.tower_path = "no/tower.gguf";
  CHECK(bitmar_engine_open(files->model, &engine_options, &other, &error) == BITMAR_ERROR_NOT_FOUND);

  bitmar_session_options options = bitmar_session_options_default();
  CHECK(options.struct_size == sizeof options && options.threads == 1);
  CHECK(options.memory_mode == BITMAR_MEMORY_READ_WRITE);
  options.threads = 0;
  CHECK(bitmar_session_open(engine, &options, &session, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(strstr(error.message, "threads is 0") != NULL);
  options = bitmar_session_options_default();
  options.memory_mode = 99;
  CHECK(bitmar_session_open(engine, &options, &session, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "memory_mode is 99") != NULL);
  options = bitmar_session_options_default();
  options.struct_size = 0;
  CHECK(bitmar_session_open(engine, &options, &session, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  options.struct_size = sizeof options + 1;
  CHECK(bitmar_session_open(engine, &options, &session, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "bitmar_session_options: struct_size") != NULL);
  CHECK(session == NULL);

  /* An older caller's struct is shorter: no byte beyond it is touched. */
  memset(&options, 0x5A, sizeof options);
  bitmar_session_options_initialize(&options, sizeof options.struct_size);
  CHECK(options.struct_size == sizeof options.struct_size);
  CHECK(options.memory_mode == 0x5A5A5A5A);

  session = open_session(engine);
  bitmar_caption_options beam = bitmar_caption_options_default();
  CHECK(beam.beam_width == 4 && beam.maximum_tokens == 48 && beam.length_exponent == 1.0f && beam.prompt == NULL);
  CHECK(beam.image_weight == 4.0f);
  beam.image_weight = -1.0f;
  CHECK(bitmar_session_caption(session, &beam, &caption, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(caption == NULL && strstr(error.message, "image weight is -1") != NULL);
  /* A caller of version 0.1 knows of no image weight, and what stands there is not read. */
  beam.struct_size = offsetof(bitmar_caption_options, image_weight);
  CHECK(bitmar_session_caption(session, &beam, &caption, &error) == BITMAR_OK);
  bitmar_caption_free(caption);
  caption = NULL;
  bitmar_session_reset(session);
  beam = bitmar_caption_options_default();
  beam.beam_width = 0;
  CHECK(bitmar_session_caption(session, &beam, &caption, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(caption == NULL && strstr(error.message, "beam width is 0") != NULL);
  bitmar_generate_options sampling = bitmar_generate_options_default();
  CHECK(sampling.maximum_tokens == 128 && sampling.temperature == 0.0f && sampling.top_k == 40);
  CHECK(sampling.top_p == 0.95f && sampling.min_p == 0.05f && sampling.stop_at_end && sampling.seed == 0);
  CHECK(sampling.repetition_penalty == 1.0f && sampling.repetition_window == 64);
  sampling.temperature = -1.0f;
  CHECK(bitmar_session_generate(session, "a", &sampling, NULL, NULL, NULL, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(strstr(error.message, "temperature is -1") != NULL);
  sampling = bitmar_generate_options_default();
  sampling.maximum_tokens = (size_t)-1;
  CHECK(bitmar_session_generate(session, "a", &sampling, NULL, NULL, NULL, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(bitmar_session_position(session) == 0);

  CHECK(strcmp(bitmar_status_name(BITMAR_OK), "ok") == 0);
  CHECK(strcmp(bitmar_status_name(BITMAR_ERROR_NOT_FOUND), "not found") == 0);
  CHECK(strcmp(bitmar_status_name(77), "unknown") == 0);
  CHECK(strspn(bitmar_version(), "0123456789.") == strlen(bitmar_version()) && strlen(bitmar_version()) >= 5);
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_tokenizer(const test_files* files) {
  static const char text[] = "a dog\0\xFF\xC3\xA9 runs\xE2\x82";
  const size_t text_size = sizeof text - 1;
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  uint32_t ids[64];
  char back[64];
  size_t count = 0;
  size_t size = 0;

  CHECK(bitmar_engine_vocabulary_size(engine) == VOCABULARY && bitmar_engine_end_of_text(engine) == VOCABULARY - 1);
  CHECK(bitmar_tokenize(engine, text, text_size, NULL, 0, &count, &error) == BITMAR_OK);
  CHECK(count > 0 && count <= text_size);
  memset(ids, 0xFF, sizeof ids);
  CHECK(bitmar_tokenize(engine, text, text_size, ids, count, &size, &error) == BITMAR_OK && size == count);
  CHECK(ids[count] == 0xFFFFFFFFu);
  CHECK(bitmar_detokenize(engine, ids, count, NULL, 0, &size, &error) == BITMAR_OK && size == text_size);
  CHECK(bitmar_detokenize(engine, ids, count, back, size, &size, &error) == BITMAR_OK);
  CHECK(memcmp(back, text, text_size) == 0);

  size = 0;
  CHECK(bitmar_tokenize(engine, text, text_size, ids, count - 1, &size, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(size == count && strstr(error.message, "ids holds") != NULL);
  CHECK(bitmar_detokenize(engine, ids, count, back, 1, &size, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(size == text_size);
  ids[1] = VOCABULARY;
  CHECK(bitmar_detokenize(engine, ids, count, back, 64, &size, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(strstr(error.message, "token 260") != NULL);
  CHECK(bitmar_tokenize(engine, NULL, 0, NULL, 0, &count, &error) == BITMAR_OK && count == 0);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_images(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->tower_model);
  bitmar_session* session = open_session(engine);
  float none[VOCABULARY], by_file[VOCABULARY], other[VOCABULARY], features[PATCHES * VISION_WIDTH];
  size_t size = 0;
  CHECK(bitmar_engine_has_vision_tower(engine) && bitmar_engine_vision_width(engine) == VISION_WIDTH);

  read_logits(session, none);
  CHECK(bitmar_session_set_image_file(session, files->photo, &error) == BITMAR_OK);
  CHECK(bitmar_session_has_image(session));
  read_logits(session, by_file);
  CHECK(!same_logits(by_file, none));

  bitmar_session_clear_image(session);
  read_logits(session, other);
  CHECK(!bitmar_session_has_image(session) && same_logits(other, none));
  unsigned char* bytes = read_file(files->photo, &size);
  CHECK(bitmar_session_set_image_bytes(session, bytes, size, &error) == BITMAR_OK);
  free(bytes);
  read_logits(session, other);
  CHECK(same_logits(other, by_file));

  /* Pillow's pixels of the same photo, "P6 width height 255" and rows; then once more in wider rows. */
  bytes = read_file(files->photo_pixels, &size);
  unsigned width = 0, height = 0;
  CHECK(sscanf((const char*)bytes, "P6 %u %u 255", &width, &height) == 2);
  const size_t row = (size_t)3 * width, stride = row + 5;
  const unsigned char* pixels = bytes + size - row * height;
  bitmar_session_clear_image(session);
  CHECK(bitmar_session_set_image_rgb(session, pixels, width, height, 0, &error) == BITMAR_OK);
  read_logits(session, other);
  CHECK(same_logits(other, by_file));
  unsigned char* wide = (unsigned char*)malloc(stride * height - 5); /* no padding after the last row */
  for (size_t y = 0; wide != NULL && y < height; ++y) memcpy(wide + y * stride, pixels + y * row, row);
  bitmar_session_clear_image(session);
  CHECK(bitmar_session_set_image_rgb(session, wide, width, height, stride, &error) == BITMAR_OK);
  read_logits(session, other);
  CHECK(same_logits(other, by_file));
  CHECK(bitmar_session_set_image_rgb(session, wide, width, height, row - 1, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_session_set_image_rgb(session, wide, 0, height, 0, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(bitmar_session_set_image_rgb(session, wide, 1u << 31, 1u << 31, 0, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  read_logits(session, other);
  CHECK(same_logits(other, by_file)); /* what failed changed nothing */
  free(wide);
  free(bytes);

  make_features(features, 1);
  CHECK(bitmar_session_set_features(session, features, PATCHES, VISION_WIDTH, &error) == BITMAR_OK);
  read_logits(session, other);
  CHECK(!same_logits(other, by_file) && !same_logits(other, none));
  CHECK(bitmar_session_set_features(session, features, 2, 3, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_session_set_features(session, features, (size_t)-1, 6, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(bitmar_session_set_features(session, features, 0, VISION_WIDTH, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  bitmar_session_free(session);
  bitmar_engine_free(engine);

  engine = open_engine(files->model);
  session = open_session(engine);
  CHECK(bitmar_session_set_image_file(session, files->photo, &error) == BITMAR_ERROR_UNSUPPORTED);
  CHECK(strstr(error.message, "tower") != NULL && !bitmar_engine_has_vision_tower(engine));
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_logits(const test_files* files) {
  static const uint32_t ids[] = {259, 17, 93, 250, 4, 4, 61};
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = open_session(engine);
  float expected[VOCABULARY];
  const float* logits = NULL;
  CHECK(bitmar_session_vocabulary_size(session) == VOCABULARY && bitmar_session_memory_bytes(session) > 0);
  bitmar_engine_free(engine); /* the session keeps what it needs */
  read_logits(session, expected);
  CHECK(bitmar_session_position(session) == 7);
  bitmar_session_reset(session);
  CHECK(bitmar_session_position(session) == 0);
  for (size_t i = 0; i < 7; ++i) CHECK(bitmar_session_step(session, ids[i], &logits, &error) == BITMAR_OK);
  CHECK(logits != NULL && same_logits(logits, expected));
  CHECK(bitmar_session_step(session, VOCABULARY, &logits, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(logits == NULL && strstr(error.message, "token 260") != NULL && bitmar_session_position(session) == 7);
  CHECK(bitmar_session_prefill(session, ids, 0, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  bitmar_session_free(session);
  return take_failures();
}
