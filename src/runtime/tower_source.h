// A foreign ViT's tensors under our names: what tells one project's naming from another's.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/safetensors.h"
#include "model/schema/tensor_table.h"
#include "runtime/tower_converter.h"

namespace bitmar {

// Which rows of which source tensor make one of ours.
struct SourceSlice {
  std::string tensor;
  std::uint64_t part = 0;  // of `parts` equal blocks of rows: the query, key and value of a fused matrix
  std::uint64_t parts = 1;
};

// Reads one safetensors file, checks shapes, and remembers which tensors were used.
class TowerSourceReader {
 public:
  TowerSourceReader(const SafeTensorsFile& file, TowerSource kind);

  // The source's tensor for one of our tower's names ("vision_tower.0.mlp.up.weight").
  [[nodiscard]] SourceSlice locate(std::string_view our_name) const;

  [[nodiscard]] bool contains(std::string_view our_name) const;
  // The shape of a tensor without its leading ones ([1, 1, 192] is [192]); kNotFound where it is missing.
  [[nodiscard]] Result<std::vector<std::uint64_t>> shape(std::string_view our_name) const;
  // The values of `spec`, row-major; the source's shape must agree, leading ones and split patch dimensions aside.
  [[nodiscard]] Result<std::vector<float>> values(const TensorSpec& spec);
  // The number of blocks: one more than the highest block index that the file names.
  [[nodiscard]] std::uint32_t depth() const;
  // Refuses a tensor that was not read and that a feature extractor cannot do without.
  [[nodiscard]] Result<void> check_all_used() const;

 private:
  [[nodiscard]] const SafeTensor* find(std::string_view source_name) const;

  const SafeTensorsFile& file_;
  TowerSource kind_;
  std::string prefix_;  // of every tensor, where the ViT is part of a larger model ("dinov2.")
  std::set<std::string, std::less<>> used_;
};

}  // namespace bitmar
