/* The small models of the C tests. Handles are the caller's to free. */
#ifndef BITMAR_H_TEST_SUPPORT_H
#define BITMAR_H_TEST_SUPPORT_H

#include <stdint.h>

#include "bitmar/bitmar.h"

/* tests/support/random_model.h, small_config(). */
enum { VOCABULARY = 260, VISION_WIDTH = 6, PATCHES = 16 };

bitmar_engine* open_engine(const char* path);
bitmar_session* open_session(const bitmar_engine* engine);

/* The logits [VOCABULARY] after some tokens in a new context. */
void read_logits(bitmar_session* session, float* logits);
int same_logits(const float* a, const float* b);
/* Patch features [PATCHES, VISION_WIDTH]. */
void make_features(float* features, uint32_t seed);

#endif
