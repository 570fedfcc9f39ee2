// The building blocks of the model in double precision, written plainly from docs/model.md, sharing nothing with
// the kernels. Rows are vectors of their own: clarity before speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/schema/config.h"
#include "model/schema/tensor_codec.h"

namespace bitmar::testing {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

// All tensors of a model file as doubles; a ternary matrix as codes with its scale.
class ReferenceWeights {
 public:
  ReferenceWeights(const ModelConfig& config, const TensorDecoder& tensors);
  [[nodiscard]] const Row& values(const std::string& name) const { return values_.at(name); }
  [[nodiscard]] double scale(const std::string& name) const { return scales_.at(name); }

 private:
  std::map<std::string, Row> values_;
  std::map<std::string, double> scales_;  // of the ternary matrices
};

class ReferenceLayers {
 public:
  ReferenceLayers(const ModelConfig& config, const ReferenceWeights& weights) : config_(config), weights_(weights) {}

  // Rounded to 255 levels of the largest; 0 where all are 0.
  struct Codes {
    Row codes;
    double step;
  };
  [[nodiscard]] Codes quantize(const Row& x, double range = 127.0);
  // As attention takes it: codes of a range just below 127, times their step.
  [[nodiscard]] Row rounded(const Row& x);
  [[nodiscard]] Rows bit_linear(const std::string& name, const Rows& x);
  [[nodiscard]] Rows norm(const std::string& name, const Rows& x) const;
  // Attention with output norm and projection, on queries, keys and values rounded to 8-bit codes head by head.
  // `visible(t)` lists the key rows of query t, with the positions that key and query are rotated to (0: not rotated).
  struct Key {
    std::size_t row;
    std::int64_t key_position;
    std::int64_t query_position;
  };
  using Visibility = std::vector<std::vector<Key>>;
  [[nodiscard]] Rows attention(const std::string& name, const Rows& queries, const Rows& keys_values,
                               const Visibility& visible);
  [[nodiscard]] Rows feed_forward(const std::string& name, const Rows& x);

  // How close an activation came to a tie between two codes, in codes: where floats could round the other way.
  [[nodiscard]] double closest_tie() const { return closest_tie_; }

 private:
  // The head's part of a row, rotated (pairs (i, i + width / 2), Su et al. 2021) and rounded to codes.
  [[nodiscard]] Row rounded_head(const Row& row, std::size_t head, std::int64_t position);

  const ModelConfig& config_;
  const ReferenceWeights& weights_;
  double closest_tie_ = 0.5;
};

void add_to(Rows& x, const Rows& y, double factor = 1.0);
[[nodiscard]] double dot_product(const Row& a, const Row& b);
void softmax_in_place(Row& x);

}  // namespace bitmar::testing
