/* What a user of an installed libbitmar writes: a model's file in, a text out. */
#include <bitmar/bitmar.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  bitmar_error error;
  bitmar_engine* engine = NULL;
  bitmar_session* session = NULL;
  bitmar_caption* caption = NULL;
  int failed = 1;
  if (argc != 2) {
    fprintf(stderr, "usage: caption_features MODEL\n");
    return 2;
  }
  if (bitmar_engine_open(argv[1], NULL, &engine, &error) == BITMAR_OK &&
      bitmar_session_open(engine, NULL, &session, &error) == BITMAR_OK) {
    const size_t width = bitmar_engine_vision_width(engine);
    float* features = (float*)calloc(width, sizeof(float));
    if (features != NULL) features[0] = 1.0f;
    if (bitmar_session_set_features(session, features, 1, width, &error) == BITMAR_OK &&
        bitmar_session_caption(session, NULL, &caption, &error) == BITMAR_OK) {
      size_t count = 0;
      (void)bitmar_caption_ids(caption, &count);
      printf("bitmar %s: %zu tokens\n", bitmar_version(), count);
      failed = 0;
    }
    free(features);
  }
  if (failed) fprintf(stderr, "%s: %s\n", bitmar_status_name((int)error.status), error.message);
  bitmar_caption_free(caption);
  bitmar_session_free(session);
  bitmar_engine_free(engine);
  return failed;
}
