// Checkpoints: one safetensors file a step, written atomically, so that a killed run resumes exactly.
//
//   CheckpointStore store("runs/a/checkpoints", 3);
//   BITMAR_TRY_VOID(store.save(step, checkpoint));
//   BITMAR_TRY(const std::string path, store.latest());
//   BITMAR_TRY(const Checkpoint checkpoint, load_checkpoint(path));
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bitmar {

// Everything a run is. Tensor names carry a prefix: "model.", "optimizer.", "random.". Texts are whatever their owners
// serialise: "config" (TOML), "data", "controller" (JSON), … ; "step" and "checksum" are the store's own.
struct Checkpoint {
  std::uint64_t step = 0;
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  std::map<std::string, std::string, std::less<>> texts;

  void add(std::string_view prefix, const std::vector<std::pair<std::string, torch::Tensor>>& named);
  // All tensors whose names start with `prefix`, without it.
  [[nodiscard]] std::vector<std::pair<std::string, torch::Tensor>> with_prefix(std::string_view prefix) const;
  [[nodiscard]] Result<torch::Tensor> tensor(std::string_view name) const;
  [[nodiscard]] Result<std::string> text(std::string_view key) const;
};

// Tensors come back on the CPU, bit for bit. A file that is cut, altered (its checksum over names, types, shapes and
// bytes does not match) or no checkpoint is kInvalidFile.
[[nodiscard]] Result<Checkpoint> load_checkpoint(const std::string& path);
[[nodiscard]] Result<void> save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

// A folder of checkpoints `step-00001500.safetensors`.
class CheckpointStore {
 public:
  // `keep`: how many of the newest stay; 0: all.
  CheckpointStore(std::string directory, std::uint32_t keep) : directory_(std::move(directory)), keep_(keep) {}

  // Writes atomically, then deletes the oldest beyond `keep`.
  [[nodiscard]] Result<void> save(const Checkpoint& checkpoint) const;
  // Paths of all checkpoints, newest first; empty where there is none.
  [[nodiscard]] Result<std::vector<std::string>> list() const;
  // The newest checkpoint. A corrupt one is an error, unless `fall_back` asks for the newest that loads; then
  // `skipped`, if given, receives the errors of those passed over. kNotFound where there is none.
  [[nodiscard]] Result<Checkpoint> load_latest(bool fall_back, std::vector<Error>* skipped = nullptr) const;

 private:
  std::string directory_;
  std::uint32_t keep_;
};

// The checkpoint that `path` names: a file, or the folder of a run, whose newest it is.
[[nodiscard]] Result<Checkpoint> open_checkpoint(const std::string& path);

// The generators that training draws from. Torch's CPU generator (dropout) as a tensor; CUDA's with it where there is
// one.
[[nodiscard]] std::vector<std::pair<std::string, torch::Tensor>> torch_random_state();
void restore_torch_random_state(const std::vector<std::pair<std::string, torch::Tensor>>& state);

}  // namespace bitmar
