/* bitmar.h from C: captions, generation, memory, threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "bitmar/bitmar.h"
#include "capi/bitmar_h_test.h"
#include "capi/bitmar_h_test_support.h"

/* What a callback heard, and when it stops. */
typedef struct listener {
  char text[4096];
  size_t size;
  int calls;
  int stop_after;
} listener;

static bool listen(const char* piece, size_t size, void* user_data) {
  listener* heard = (listener*)user_data;
  CHECK(strlen(piece) <= size && piece[size] == '\0');
  if (heard->size + size <= sizeof heard->text) memcpy(heard->text + heard->size, piece, size);
  heard->size += size;
  return ++heard->calls != heard->stop_after;
}

static void set_features(bitmar_session* session, uint32_t seed) {
  float features[PATCHES * VISION_WIDTH];
  make_features(features, seed);
  CHECK(bitmar_session_set_features(session, features, PATCHES, VISION_WIDTH, NULL) == BITMAR_OK);
}

int test_captions(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* sessions[2] = {open_session(engine), open_session(engine)};
  bitmar_caption* captions[3] = {NULL, NULL, NULL};
  bitmar_caption_options options = bitmar_caption_options_default();
  options.maximum_tokens = 12;
  for (int i = 0; i < 2; ++i) {
    set_features(sessions[i], 3);
    CHECK(bitmar_session_caption(sessions[i], &options, &captions[i], &error) == BITMAR_OK);
  }
  size_t sizes[2] = {0, 0}, counts[2] = {0, 0};
  const char* text = bitmar_caption_text(captions[0], &sizes[0]);
  const uint32_t* ids = bitmar_caption_ids(captions[0], &counts[0]);
  CHECK(counts[0] > 0 && counts[0] <= 12 && strlen(text) <= sizes[0] && text[sizes[0]] == '\0');
  CHECK(memcmp(text, bitmar_caption_text(captions[1], &sizes[1]), sizes[0] + 1) == 0 && sizes[0] == sizes[1]);
  CHECK(memcmp(ids, bitmar_caption_ids(captions[1], &counts[1]), counts[0] * sizeof *ids) == 0);
  CHECK(counts[0] == counts[1] && bitmar_caption_log_probability(captions[0]) < 0);
  CHECK(bitmar_caption_log_probability(captions[0]) == bitmar_caption_log_probability(captions[1]));
  /* The session has read <|endoftext|> and the caption. */
  CHECK(bitmar_session_position(sessions[0]) == 1 + counts[0]);

  /* Options reach the search: a prompt is read, and one token is the most. */
  options.prompt = "dog";
  options.maximum_tokens = 1;
  CHECK(bitmar_session_caption(sessions[0], &options, &captions[2], &error) == BITMAR_OK);
  (void)bitmar_caption_ids(captions[2], &counts[1]);
  size_t prompt_size = 0;
  CHECK(bitmar_tokenize(engine, "dog", 3, NULL, 0, &prompt_size, &error) == BITMAR_OK);
  CHECK(counts[1] <= 1 && bitmar_session_position(sessions[0]) == 1 + prompt_size + counts[1]);
  for (int i = 0; i < 3; ++i) bitmar_caption_free(captions[i]);
  for (int i = 0; i < 2; ++i) bitmar_session_free(sessions[i]);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_generation(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = open_session(engine);
  bitmar_generate_options options = bitmar_generate_options_default();
  options.maximum_tokens = 40;
  options.temperature = 1.5f;
  options.seed = 9;
  options.stop_at_end = false;
  bitmar_generation* generations[3] = {NULL, NULL, NULL};
  static listener heard[2];
  memset(heard, 0, sizeof heard);
  for (int i = 0; i < 2; ++i) {
    bitmar_session_reset(session);
    CHECK(bitmar_session_generate(session, "a dog", &options, listen, &heard[i], &generations[i], &error) == BITMAR_OK);
  }
  size_t size = 0, count = 0, prompt_size = 0;
  const char* text = bitmar_generation_text(generations[0], &size);
  CHECK(size == heard[0].size && memcmp(text, heard[0].text, size) == 0 && heard[0].calls > 5);
  CHECK(size == heard[1].size && memcmp(text, heard[1].text, size) == 0 && text[size] == '\0');
  (void)bitmar_generation_ids(generations[0], &count);
  CHECK(count == 40 && bitmar_generation_stop_reason(generations[0]) == BITMAR_STOP_MAXIMUM_TOKENS);
  CHECK(bitmar_tokenize(engine, "a dog", 5, NULL, 0, &prompt_size, &error) == BITMAR_OK);
  CHECK(bitmar_generation_prompt_tokens(generations[0]) == 1 + prompt_size);
  CHECK(bitmar_session_position(session) == 1 + prompt_size + count);
  CHECK(bitmar_generation_prompt_seconds(generations[0]) > 0 && bitmar_generation_seconds(generations[0]) > 0);

  options.seed = 10;
  bitmar_session_reset(session);
  CHECK(bitmar_session_generate(session, "a dog", &options, NULL, NULL, &generations[2], &error) == BITMAR_OK);
  size_t other_size = 0;
  const char* other = bitmar_generation_text(generations[2], &other_size);
  CHECK(other_size != size || memcmp(other, text, size) != 0);
  bitmar_generation_free(generations[2]);

  listener stopped = {{0}, 0, 0, 3};
  options.seed = 9;
  bitmar_session_reset(session);
  CHECK(bitmar_session_generate(session, "a dog", &options, listen, &stopped, &generations[2], &error) == BITMAR_OK);
  CHECK(bitmar_generation_stop_reason(generations[2]) == BITMAR_STOP_CALLBACK);
  CHECK(stopped.calls >= 3 && stopped.size < size && memcmp(stopped.text, text, 1) == 0);
  (void)bitmar_generation_ids(generations[2], &count);
  CHECK(count < 40 && bitmar_session_position(session) == 1 + prompt_size + count);

  /* Neither prompt nor result nor callback are needed. */
  bitmar_session_reset(session);
  CHECK(bitmar_session_generate(session, NULL, &options, NULL, NULL, NULL, &error) == BITMAR_OK);
  CHECK(bitmar_session_position(session) == 41);
  for (int i = 0; i < 3; ++i) bitmar_generation_free(generations[i]);
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_memory(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = open_session(engine);
  bitmar_episodes* episodes = NULL;
  float before[VOCABULARY], first[VOCABULARY], second[VOCABULARY], after[VOCABULARY];
  uint64_t ids[2] = {0, 0};
  CHECK(bitmar_engine_memory_slots(engine) == 6);
  CHECK(bitmar_memory_write(session, "nothing", NULL, NULL, &ids[0], &error) == BITMAR_ERROR_INVALID_ARGUMENT);

  set_features(session, 3);
  read_logits(session, before);
  CHECK(bitmar_memory_write(session, "a dog", "dog.jpg", "2026-01-31T23:59:59Z", &ids[0], &error) == BITMAR_OK);
  set_features(session, 4);
  read_logits(session, first);
  CHECK(bitmar_memory_write(session, NULL, NULL, NULL, &ids[1], &error) == BITMAR_OK);
  CHECK(ids[0] == 1 && ids[1] == 2);
  set_features(session, 3);
  read_logits(session, second);
  CHECK(!same_logits(second, before)); /* the memory is read */

  CHECK(bitmar_memory_list(session, &episodes, &error) == BITMAR_OK && bitmar_episodes_count(episodes) == 2);
  CHECK(bitmar_memory_forget(session, 2, &error) == BITMAR_OK); /* the list stays as it was */
  CHECK(bitmar_episodes_id(episodes, 0) == 1 && bitmar_episodes_id(episodes, 1) == 2);
  CHECK(strcmp(bitmar_episodes_text(episodes, 0), "a dog") == 0);
  CHECK(strcmp(bitmar_episodes_source(episodes, 0), "dog.jpg") == 0);
  CHECK(strcmp(bitmar_episodes_time(episodes, 0), "2026-01-31T23:59:59Z") == 0);
  CHECK(strcmp(bitmar_episodes_text(episodes, 1), "") == 0 && strlen(bitmar_episodes_time(episodes, 1)) == 20);
  CHECK(bitmar_episodes_id(episodes, 2) == 0 && bitmar_episodes_text(episodes, 2) == NULL);
  bitmar_episodes_free(episodes);

  set_features(session, 4);
  read_logits(session, after);
  CHECK(same_logits(after, first)); /* as before the second was written */
  CHECK(bitmar_memory_forget(session, 1, &error) == BITMAR_OK);
  set_features(session, 3);
  read_logits(session, after);
  CHECK(same_logits(after, before));
  CHECK(bitmar_memory_list(session, &episodes, &error) == BITMAR_OK && bitmar_episodes_count(episodes) == 0);
  bitmar_episodes_free(episodes);
  CHECK(bitmar_memory_forget(session, 1, &error) == BITMAR_ERROR_NOT_FOUND);
  CHECK(strstr(error.message, "no episode 1") != NULL);
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_memory_modes(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = NULL;
  bitmar_episodes* episodes = NULL;
  float logits[VOCABULARY], off[VOCABULARY];
  uint64_t id = 5;
  bitmar_session_options options = bitmar_session_options_default();
  options.memory_mode = BITMAR_MEMORY_READ_ONLY;
  CHECK(bitmar_session_open(engine, &options, &session, &error) == BITMAR_OK);
  read_logits(session, logits);
  CHECK(bitmar_memory_write(session, NULL, NULL, NULL, &id, &error) == BITMAR_ERROR_INVALID_ARGUMENT && id == 0);
  CHECK(strstr(error.message, "read-only") != NULL);
  CHECK(bitmar_memory_forget(session, 1, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_memory_list(session, &episodes, &error) == BITMAR_OK && bitmar_episodes_count(episodes) == 0);
  bitmar_episodes_free(episodes);
  bitmar_session_free(session);

  options.memory_mode = BITMAR_MEMORY_OFF;
  CHECK(bitmar_session_open(engine, &options, &session, &error) == BITMAR_OK);
  read_logits(session, off);
  CHECK(!same_logits(off, logits));
  CHECK(bitmar_memory_write(session, NULL, NULL, NULL, &id, &error) == BITMAR_ERROR_UNSUPPORTED);
  CHECK(bitmar_memory_list(session, &episodes, &error) == BITMAR_ERROR_UNSUPPORTED && episodes == NULL);
  bitmar_session_free(session);
  bitmar_engine_free(engine);

  engine = open_engine(files->plain_model);
  session = open_session(engine);
  read_logits(session, logits);
  CHECK(bitmar_engine_memory_slots(engine) == 0);
  CHECK(bitmar_memory_write(session, NULL, NULL, NULL, &id, &error) == BITMAR_ERROR_UNSUPPORTED);
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}

int test_memory_snapshots(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* sessions[2] = {open_session(engine), open_session(engine)};
  bitmar_episodes* episodes = NULL;
  float before[VOCABULARY], written[VOCABULARY], loaded[VOCABULARY];
  CHECK(bitmar_memory_load(sessions[1], files->snapshot, &error) == BITMAR_ERROR_NOT_FOUND);
  for (int i = 0; i < 2; ++i) set_features(sessions[i], 3);
  read_logits(sessions[0], before);
  CHECK(bitmar_memory_write(sessions[0], "a dog", "dog.jpg", NULL, NULL, &error) == BITMAR_OK);
  CHECK(bitmar_memory_save(sessions[0], files->snapshot, &error) == BITMAR_OK);
  read_logits(sessions[0], written);
  CHECK(bitmar_memory_load(sessions[1], files->snapshot, &error) == BITMAR_OK);
  read_logits(sessions[1], loaded);
  CHECK(same_logits(loaded, written) && !same_logits(loaded, before));
  CHECK(bitmar_memory_list(sessions[1], &episodes, &error) == BITMAR_OK && bitmar_episodes_count(episodes) == 1);
  CHECK(strcmp(bitmar_episodes_source(episodes, 0), "dog.jpg") == 0);
  bitmar_episodes_free(episodes);

  CHECK(bitmar_memory_save(sessions[0], NULL, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_memory_load(sessions[0], files->photo, &error) == BITMAR_ERROR_INVALID_FILE);
  for (int i = 0; i < 2; ++i) bitmar_session_free(sessions[i]);
  bitmar_engine_free(engine);

  engine = open_engine(files->tower_model);
  sessions[0] = open_session(engine);
  CHECK(bitmar_memory_load(sessions[0], files->snapshot, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, files->snapshot) != NULL);
  bitmar_session_free(sessions[0]);
  bitmar_engine_free(engine);
  return take_failures();
}

/* One thread's work: a text from an image, and an episode of it, over and over. */
typedef struct worker {
  const bitmar_engine* engine;
  uint32_t seed;
  char text[1024];
  size_t size;
  float logits[VOCABULARY];
  int failed;
} worker;

static int work(void* argument) {
  worker* self = (worker*)argument;
  for (int round = 0; round < 5; ++round) {
    bitmar_session* session = NULL;
    bitmar_generation* generation = NULL;
    bitmar_generate_options options = bitmar_generate_options_default();
    float features[PATCHES * VISION_WIDTH];
    const float* logits = NULL;
    options.maximum_tokens = 60;
    options.temperature = 1.0f;
    options.seed = self->seed;
    make_features(features, self->seed);
    self->failed += bitmar_session_open(self->engine, NULL, &session, NULL) != BITMAR_OK;
    self->failed += bitmar_session_set_features(session, features, PATCHES, VISION_WIDTH, NULL) != BITMAR_OK;
    self->failed += bitmar_session_generate(session, "dog", &options, NULL, NULL, &generation, NULL) != BITMAR_OK;
    self->failed += bitmar_memory_write(session, "dog", NULL, NULL, NULL, NULL) != BITMAR_OK;
    self->failed += bitmar_session_step(session, 9, &logits, NULL) != BITMAR_OK;
    const char* text = bitmar_generation_text(generation, &self->size);
    if (logits == NULL || self->size > sizeof self->text) {
      ++self->failed;
    } else if (round == 0) {
      memcpy(self->text, text, self->size);
      memcpy(self->logits, logits, sizeof self->logits);
    } else {
      self->failed += memcmp(self->text, text, self->size) != 0 || !same_logits(self->logits, logits);
    }
    bitmar_generation_free(generation);
    bitmar_session_free(session);
  }
  return 0;
}

int test_threads(const test_files* files) {
  bitmar_engine* engine = open_engine(files->model);
  static worker together[2], alone[2];
  thrd_t threads[2];
  for (uint32_t i = 0; i < 2; ++i) {
    memset(&together[i], 0, sizeof together[i]);
    together[i].engine = engine;
    together[i].seed = i + 1;
    alone[i] = together[i];
    CHECK(thrd_create(&threads[i], work, &together[i]) == thrd_success);
  }
  for (int i = 0; i < 2; ++i) CHECK(thrd_join(threads[i], NULL) == thrd_success);
  for (int i = 0; i < 2; ++i) {
    work(&alone[i]);
    CHECK(together[i].failed == 0 && alone[i].failed == 0);
    CHECK(together[i].size == alone[i].size && memcmp(together[i].text, alone[i].text, alone[i].size) == 0);
    CHECK(same_logits(together[i].logits, alone[i].logits));
  }
  CHECK(together[0].size != together[1].size || memcmp(together[0].text, together[1].text, together[0].size) != 0);
  bitmar_engine_free(engine);
  return take_failures();
}
