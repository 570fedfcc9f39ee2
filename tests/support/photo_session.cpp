#include "tests/support/photo_session.h"

#include <vector>

#include "tests/support/random_model.h"

namespace bitmar::testing {

Session captioning_session(const std::shared_ptr<const Engine>& engine) {
  Session session = Session::open(engine, {.memory = MemoryMode::kReadOnly}).value();
  const std::vector<float> features = random_features(engine->config(), kPhotoPatches, kPhotoSeed);
  session.set_features({features, kPhotoPatches, engine->config().vision_width}).value();
  session.step(engine->tokenizer().end_of_text()).value();
  return session;
}

}  // namespace bitmar::testing
