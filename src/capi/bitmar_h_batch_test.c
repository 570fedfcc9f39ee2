/* bitmar.h from C: several sessions in one batch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitmar/bitmar.h"
#include "capi/bitmar_h_test.h"
#include "capi/bitmar_h_test_support.h"

enum { SESSIONS = 3, STEPS = 80 };

/* A token of each session for each step. */
static uint32_t token(size_t session, size_t step) {
  return (uint32_t)((session * 89 + step * 37) % 256);
}

static bitmar_batch* open_batch(const bitmar_engine* engine, size_t sessions) {
  bitmar_error error;
  bitmar_batch* batch = NULL;
  bitmar_batch_options options = bitmar_batch_options_default();
  options.maximum_sessions = sessions;
  if (bitmar_batch_open(engine, &options, &batch, &error) != BITMAR_OK) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  return batch;
}

static void test_batch_bits(const bitmar_engine* engine) {
  bitmar_error error;
  bitmar_session* together[SESSIONS];
  bitmar_session* alone[SESSIONS];
  bitmar_batch* batch = open_batch(engine, SESSIONS);
  float features[PATCHES * VISION_WIDTH];
  const float* logits = NULL;
  const float* expected = NULL;
  uint32_t ids[SESSIONS][STEPS];
  CHECK(bitmar_batch_vocabulary_size(batch) == VOCABULARY);
  for (uint32_t i = 0; i < SESSIONS; ++i) {
    together[i] = open_session(engine);
    alone[i] = open_session(engine);
    if (i == 0) continue; /* sees no image */
    make_features(features, i);
    CHECK(bitmar_session_set_features(together[i], features, PATCHES, VISION_WIDTH, &error) == BITMAR_OK);
    CHECK(bitmar_session_set_features(alone[i], features, PATCHES, VISION_WIDTH, &error) == BITMAR_OK);
  }

  /* Prompts of 1, 41 and 80 tokens, then token by token with fewer and fewer sessions. */
  const size_t lengths[SESSIONS] = {1, STEPS / 2 + 1, STEPS};
  bitmar_batch_request requests[SESSIONS];
  for (size_t i = 0; i < SESSIONS; ++i) {
    for (size_t k = 0; k < STEPS; ++k) ids[i][k] = token(i, k);
    requests[i].session = together[i];
    requests[i].ids = ids[i];
    requests[i].count = lengths[i];
  }
  CHECK(bitmar_batch_prefill(batch, requests, SESSIONS, &logits, &error) == BITMAR_OK);
  for (size_t i = 0; i < SESSIONS && logits != NULL; ++i) {
    CHECK(bitmar_session_prefill(alone[i], ids[i], lengths[i], &expected, &error) == BITMAR_OK);
    CHECK(same_logits(logits + i * VOCABULARY, expected));
  }
  for (size_t step = 0; step < STEPS; ++step) {
    const size_t count = SESSIONS - step / (STEPS / SESSIONS + 1);
    uint32_t next[SESSIONS];
    for (size_t i = 0; i < count; ++i) next[i] = token(i, STEPS + step);
    CHECK(bitmar_batch_step(batch, together, next, count, &logits, &error) == BITMAR_OK);
    for (size_t i = 0; i < count && logits != NULL; ++i) {
      CHECK(bitmar_session_step(alone[i], next[i], &expected, &error) == BITMAR_OK);
      CHECK(same_logits(logits + i * VOCABULARY, expected));
    }
  }
  CHECK(bitmar_batch_step(batch, together, ids[0], 1, NULL, NULL) == BITMAR_OK); /* logits are optional */

  bitmar_batch_free(batch);
  for (size_t i = 0; i < SESSIONS; ++i) {
    CHECK(bitmar_session_position(together[i]) == bitmar_session_position(alone[i]) + (i == 0 ? 1 : 0));
    bitmar_session_free(together[i]);
    bitmar_session_free(alone[i]);
  }
}

static void test_batch_errors(const bitmar_engine* engine, const bitmar_engine* other_engine) {
  bitmar_error error;
  bitmar_batch* batch = open_batch(engine, 2);
  bitmar_batch* none = batch;
  bitmar_session* first = open_session(engine);
  bitmar_session* second = open_session(engine);
  bitmar_session* third = open_session(engine);
  bitmar_session* foreign = open_session(other_engine);
  const uint32_t ids[3] = {1, 2, VOCABULARY};
  const float* logits = (const float*)&error;

  bitmar_session* const three[3] = {first, second, third};
  CHECK(bitmar_batch_step(batch, three, ids, 3, &logits, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(logits == NULL && strstr(error.message, "3 sessions in a batch; expected at most 2") != NULL);
  CHECK(bitmar_batch_step(batch, three, ids, 0, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_batch_step(batch, three, ids + 1, 2, &logits, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(strstr(error.message, "session 1 of the batch: token 260") != NULL);
  bitmar_session* const twice[2] = {first, first};
  CHECK(bitmar_batch_step(batch, twice, ids, 2, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "sessions 0 and 1") != NULL);
  bitmar_session* const mixed[2] = {first, foreign};
  CHECK(bitmar_batch_step(batch, mixed, ids, 2, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "another engine") != NULL);
  bitmar_session* const missing[2] = {first, NULL};
  CHECK(bitmar_batch_step(batch, missing, ids, 2, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "session 1 of the batch: its handle is NULL") != NULL);
  bitmar_batch_request requests[2] = {{first, ids, 2}, {second, ids, 0}};
  CHECK(bitmar_batch_prefill(batch, requests, 2, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "session 1 of the batch: no tokens") != NULL);
  requests[1].ids = NULL;
  CHECK(bitmar_batch_prefill(batch, requests, 2, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "session 1 of the batch: its ids is NULL") != NULL);
  CHECK(bitmar_session_position(first) == 0 && bitmar_session_position(second) == 0);

  CHECK(bitmar_batch_prefill(NULL, requests, 1, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "batch is NULL") == 0);
  CHECK(bitmar_batch_prefill(batch, NULL, 1, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "requests is NULL") == 0);
  CHECK(bitmar_batch_step(NULL, three, ids, 1, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_batch_step(batch, NULL, ids, 1, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "sessions is NULL") == 0);
  CHECK(bitmar_batch_step(batch, three, NULL, 1, &logits, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "ids is NULL") == 0);
  CHECK(bitmar_batch_open(NULL, NULL, &none, &error) == BITMAR_ERROR_INVALID_ARGUMENT && none == NULL);
  CHECK(bitmar_batch_open(engine, NULL, NULL, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_batch_vocabulary_size(NULL) == 0);

  bitmar_batch_options options = bitmar_batch_options_default();
  CHECK(options.struct_size == sizeof options && options.maximum_sessions == 16 && options.threads == 1);
  options.maximum_sessions = 0;
  CHECK(bitmar_batch_open(engine, &options, &none, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(none == NULL && strstr(error.message, "maximum sessions is 0") != NULL);
  options = bitmar_batch_options_default();
  options.threads = 0;
  CHECK(bitmar_batch_open(engine, &options, &none, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  options = bitmar_batch_options_default();
  options.struct_size = 0;
  CHECK(bitmar_batch_open(engine, &options, &none, &error) == BITMAR_ERROR_INVALID_ARGUMENT);

  bitmar_batch_free(batch);
  bitmar_batch_free(NULL);
  bitmar_session_free(first);
  bitmar_session_free(second);
  bitmar_session_free(third);
  bitmar_session_free(foreign);
}

int test_batches(const test_files* files) {
  bitmar_engine* engine = open_engine(files->model);
  bitmar_engine* other_engine = open_engine(files->model);
  test_batch_bits(engine);
  test_batch_errors(engine, other_engine);
  bitmar_engine_free(engine);
  bitmar_engine_free(other_engine);
  return take_failures();
}
