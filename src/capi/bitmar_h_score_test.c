/* bitmar.h from C: the log-probabilities of tokens. */
#include <math.h>
#include <string.h>

#include "bitmar/bitmar.h"
#include "capi/bitmar_h_test.h"
#include "capi/bitmar_h_test_support.h"

enum { COUNT = 7 };
static const uint32_t ids[COUNT] = {259, 17, 93, 250, 4, 4, 61};

/* Of ids[1], ids[2], ... from the logits after each token. */
static void expected_scores(bitmar_session* session, bitmar_token_score* scores) {
  bitmar_session_reset(session);
  for (size_t i = 0; i + 1 < COUNT; ++i) {
    const float* logits = NULL;
    CHECK(bitmar_session_step(session, ids[i], &logits, NULL) == BITMAR_OK);
    if (logits == NULL) return;
    double sum = 0;
    scores[i].most_likely = true;
    for (uint32_t token = 0; token < VOCABULARY; ++token) {
      sum += exp((double)logits[token]);
      if (logits[token] > logits[ids[i + 1]]) scores[i].most_likely = false;
    }
    scores[i].log_probability = (double)logits[ids[i + 1]] - log(sum);
  }
}

static int is_zero(const bitmar_token_score* score) {
  return score->log_probability == 0 && !score->most_likely;
}

int test_scores(const test_files* files) {
  bitmar_error error;
  bitmar_engine* engine = open_engine(files->model);
  bitmar_session* session = open_session(engine);
  bitmar_token_score expected[COUNT - 1], scores[COUNT];
  expected_scores(session, expected);

  for (size_t context = 1; context < COUNT; ++context) {
    bitmar_session_reset(session);
    scores[COUNT - context].log_probability = 7;
    CHECK(bitmar_session_score(session, ids, COUNT, context, scores, &error) == BITMAR_OK);
    CHECK(bitmar_session_position(session) == COUNT);
    for (size_t i = 0; i < COUNT - context; ++i) {
      CHECK(fabs(scores[i].log_probability - expected[context - 1 + i].log_probability) < 1e-11);
      CHECK(scores[i].most_likely == expected[context - 1 + i].most_likely);
    }
    CHECK(scores[COUNT - context].log_probability == 7); /* nothing is written beyond */
  }

  /* A context goes on: no token of the second call is context. */
  bitmar_session_reset(session);
  CHECK(bitmar_session_score(session, ids, 3, 3, NULL, &error) == BITMAR_OK);
  CHECK(bitmar_session_score(session, ids + 3, 4, 0, scores, &error) == BITMAR_OK);
  for (size_t i = 0; i < 4; ++i) CHECK(fabs(scores[i].log_probability - expected[2 + i].log_probability) < 1e-11);

  /* What greedy search takes is the most likely. */
  const float* logits = NULL;
  bitmar_session_reset(session);
  CHECK(bitmar_session_step(session, ids[0], &logits, &error) == BITMAR_OK);
  uint32_t best = 0;
  for (uint32_t token = 1; logits != NULL && token < VOCABULARY; ++token) {
    if (logits[token] > logits[best]) best = token;
  }
  CHECK(bitmar_session_score(session, &best, 1, 0, scores, &error) == BITMAR_OK && scores[0].most_likely);

  /* What fails reads nothing and leaves zeros. */
  static const uint32_t unknown[] = {259, 1, VOCABULARY};
  bitmar_session_reset(session);
  memset(scores, 1, sizeof scores);
  CHECK(bitmar_session_score(session, unknown, 3, 1, scores, &error) == BITMAR_ERROR_OUT_OF_RANGE);
  CHECK(strstr(error.message, "token 260") != NULL && is_zero(&scores[0]) && is_zero(&scores[1]));
  CHECK(bitmar_session_score(session, ids, COUNT, 0, scores, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "first token") != NULL);
  CHECK(bitmar_session_score(session, ids, COUNT, COUNT + 1, scores, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_session_score(session, ids, 0, 0, scores, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(bitmar_session_score(NULL, ids, COUNT, 1, scores, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "session is NULL") == 0);
  CHECK(bitmar_session_score(session, NULL, COUNT, 1, scores, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "ids is NULL") == 0);
  CHECK(bitmar_session_score(session, ids, COUNT, 1, NULL, &error) == BITMAR_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "scores is NULL") == 0);
  CHECK(bitmar_session_position(session) == 0);

  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return take_failures();
}
