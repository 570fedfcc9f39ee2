// The trainer's logits, in evaluation mode, after every token of several sequences with the same photo and the memory
// on; the modules hold an exported model's values.
//
//   trainer_logits MODEL.gguf TOKENS.npy FEATURES.npy LOGITS.npy
#include <fmt/format.h>

#include <cstdio>
#include <span>

#include "export/model_export.h"
#include "nn/bitmar_model.h"
#include "tests/parity/sequences.h"
#include "torch_headers.h"

namespace bitmar {
namespace {

Result<void> run(const char* path, const char* tokens_path, const char* features_path, const char* output) {
  const torch::NoGradGuard no_grad;
  BITMAR_TRY(BitmarModel model, load_exported_model(path));
  BITMAR_TRY(parity::Sequences sequences, parity::read_sequences(tokens_path, features_path));
  const auto rows = static_cast<std::int64_t>(sequences.rows);
  const auto length = static_cast<std::int64_t>(sequences.length);
  BITMAR_TRY(NpyWriter writer, parity::create_logits(output, sequences, model->config().vocabulary));

  ModelInput input;
  input.tokens = torch::from_blob(sequences.tokens.data(), {rows, 1, length}, torch::kInt32).to(torch::kLong);
  input.mask = torch::ones({rows, 1, length}, torch::kBool);
  input.features = torch::from_blob(sequences.features.data(), {1, static_cast<std::int64_t>(sequences.patches),
                                                                static_cast<std::int64_t>(sequences.width)});
  input.image_of_row = torch::zeros({rows}, torch::kLong);
  const torch::Tensor hidden = model->forward(input, {}).hidden;
  const torch::Tensor logits = model->output()->forward(hidden).view({rows * length, -1}).contiguous();
  const std::span values(logits.const_data_ptr<float>(), static_cast<std::size_t>(logits.numel()));
  const auto width = static_cast<std::size_t>(logits.size(1));
  for (std::size_t row = 0; row * width < values.size(); ++row) {
    BITMAR_TRY_VOID(writer.write_row(row, values.subspan(row * width, width)));
  }
  return writer.flush();
}

}  // namespace
}  // namespace bitmar

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: trainer_logits MODEL.gguf TOKENS.npy FEATURES.npy LOGITS.npy\n");
    return 2;
  }
  if (const auto done = bitmar::run(argv[1], argv[2], argv[3], argv[4]); !done) {
    fmt::print(stderr, "trainer_logits: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
