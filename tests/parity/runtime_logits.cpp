// The runtime's logits after every token of several sequences, each read in a new context with the same photo, the
// memory read-only.
//
//   runtime_logits MODEL.gguf TOKENS.npy FEATURES.npy LOGITS.npy
#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <span>

#include "runtime/session.h"
#include "tests/parity/sequences.h"

namespace bitmar {
namespace {

Result<void> run(const char* model, const char* tokens, const char* features, const char* output) {
  BITMAR_TRY(const auto engine, Engine::open(model));
  BITMAR_TRY(const parity::Sequences input, parity::read_sequences(tokens, features));
  BITMAR_TRY(NpyWriter logits, parity::create_logits(output, input, engine->config().vocabulary));
  BITMAR_TRY(Session session, Session::open(engine, {.memory = MemoryMode::kReadOnly}));
  BITMAR_TRY_VOID(session.set_features({input.features, input.patches, input.width}));
  for (std::size_t row = 0; row < input.rows; ++row) {
    session.reset();
    std::optional<Error> failed;
    BITMAR_TRY_VOID(session.score(std::span(input.tokens).subspan(row * input.length, input.length),
                                  [&](std::size_t index, std::span<const float> values) {
                                    const auto written = logits.write_row(row * input.length + index, values);
                                    if (!written) failed = written.error();
                                  }));
    if (failed) return std::unexpected(*failed);
  }
  return logits.flush();
}

}  // namespace
}  // namespace bitmar

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: runtime_logits MODEL.gguf TOKENS.npy FEATURES.npy LOGITS.npy\n");
    return 2;
  }
  if (const auto done = bitmar::run(argv[1], argv[2], argv[3], argv[4]); !done) {
    fmt::print(stderr, "runtime_logits: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
