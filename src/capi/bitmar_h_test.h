/* The tests of bitmar.h that are written in C, and what they share. Each prints the checks that fail to standard error
 * and returns their number; the driver is bitmar_h_test.cpp. */
#ifndef BITMAR_H_TEST_H
#define BITMAR_H_TEST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct test_files {
  const char* model;        /* takes patch features */
  const char* tower_model;  /* takes photos */
  const char* plain_model;  /* has no memory */
  const char* photo;        /* a PNG */
  const char* photo_pixels; /* the same as a binary PPM */
  const char* snapshot;     /* where to write one */
} test_files;

int test_null_arguments(const test_files* files);
int test_bad_files(const test_files* files);
int test_options(const test_files* files);
int test_tokenizer(const test_files* files);
int test_images(const test_files* files);
int test_logits(const test_files* files);
int test_scores(const test_files* files);
int test_batches(const test_files* files);
int test_captions(const test_files* files);
int test_generation(const test_files* files);
int test_memory(const test_files* files);
int test_memory_modes(const test_files* files);
int test_memory_snapshots(const test_files* files);
int test_threads(const test_files* files);

/* Counts and prints a failed check. */
#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)
void check(int holds, const char* condition, const char* file, int line);
/* Failed checks since the last call. */
int take_failures(void);

#ifdef __cplusplus
}
#endif

#endif
