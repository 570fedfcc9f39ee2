#include "tests/support/reference_layers.h"

#include <algorithm>
#include <cmath>

#include "model/schema/tensor_table.h"

namespace bitmar::testing {

ReferenceWeights::ReferenceWeights(const ModelConfig& config, const TensorDecoder& tensors) {
  for (const auto& spec : tensor_table(config)) {
    Row& values = values_[spec.name];
    if (spec.kind == TensorKind::kTernary) {
      const auto matrix = tensors.ternary(spec).value();
      values.assign(matrix.codes.begin(), matrix.codes.end());
      scales_[spec.name] = static_cast<double>(matrix.scale);
    } else if (spec.kind == TensorKind::kInt8Rows) {
      const auto matrix = tensors.int8_rows(spec).value();
      for (std::size_t i = 0; i < matrix.codes.size(); ++i) {
        values.push_back(matrix.codes[i] * static_cast<double>(matrix.scales[i / matrix.columns]));
      }
    } else {
      const auto floats = tensors.floats(spec).value();
      values.assign(floats.begin(), floats.end());
    }
  }
}

ReferenceLayers::Codes ReferenceLayers::quantize(const Row& x, double range) {
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::abs(value));
  if (largest == 0) return {Row(x.size(), 0.0), 0.0};
  Codes result{{}, largest / range};
  for (const double value : x) {
    const double scaled = value * range / largest;
    closest_tie_ = std::min(closest_tie_, std::abs(std::abs(scaled - std::floor(scaled)) - 0.5));
    result.codes.push_back(std::nearbyint(scaled));
  }
  return result;
}

Row ReferenceLayers::rounded(const Row& x) {
  auto [codes, step] = quantize(x, 127.0 * (1.0 - 0x1p-12));
  for (double& code : codes) code *= step;
  return codes;
}

Rows ReferenceLayers::bit_linear(const std::string& name, const Rows& x) {
  const Row& weights = weights_.values(name + ".weight");
  const double gamma = weights_.scale(name + ".weight");
  Rows out;
  for (const Row& row : x) {
    const auto [codes, step] = quantize(row);
    Row result(weights.size() / row.size(), 0.0);
    for (std::size_t r = 0; r < result.size(); ++r) {
      for (std::size_t c = 0; c < codes.size(); ++c) result[r] += weights[r * codes.size() + c] * codes[c];
      result[r] *= gamma * step;
    }
    out.push_back(result);
  }
  return out;
}

Rows ReferenceLayers::norm(const std::string& name, const Rows& x) const {
  const Row& gain = weights_.values(name + ".weight");
  const Row& bias = weights_.values(name + ".bias");
  Rows out;
  for (const Row& row : x) {
    const auto count = static_cast<double>(row.size());
    double mean = 0;
    for (const double value : row) mean += value / count;
    double variance = 0;
    for (const double value : row) variance += (value - mean) * (value - mean) / count;
    Row result;
    for (std::size_t i = 0; i < row.size(); ++i) {
      result.push_back((row[i] - mean) / std::sqrt(variance + static_cast<double>(config_.norm_epsilon)) * gain[i] +
                       bias[i]);
    }
    out.push_back(result);
  }
  return out;
}

Row ReferenceLayers::rounded_head(const Row& row, std::size_t head, std::int64_t position) {
  const std::size_t width = config_.head_width();
  Row part(width);
  for (std::size_t i = 0; i < width / 2; ++i) {
    const double theta =
        std::pow(static_cast<double>(config_.rope_base), -2.0 * static_cast<double>(i) / static_cast<double>(width));
    const double angle = theta * static_cast<double>(position);
    const double a = row[head * width + i];
    const double b = row[head * width + i + width / 2];
    part[i] = a * std::cos(angle) - b * std::sin(angle);
    part[i + width / 2] = a * std::sin(angle) + b * std::cos(angle);
  }
  return rounded(part);
}

Rows ReferenceLayers::attention(const std::string& name, const Rows& queries, const Rows& keys_values,
                                const Visibility& visible) {
  const Rows q = bit_linear(name + ".query", queries);
  const Rows k = bit_linear(name + ".key", keys_values);
  const Rows v = bit_linear(name + ".value", keys_values);
  const std::size_t width = config_.head_width();
  Rows joined(queries.size(), Row(config_.width, 0.0));
  for (std::size_t head = 0; head < config_.heads; ++head) {
    Rows values;
    for (const Row& row : v) values.push_back(rounded_head(row, head, 0));
    for (std::size_t t = 0; t < queries.size(); ++t) {
      Row scores;
      for (const Key& key : visible[t]) {
        const Row query = rounded_head(q[t], head, key.query_position);
        scores.push_back(dot_product(query, rounded_head(k[key.row], head, key.key_position)) /
                         std::sqrt(static_cast<double>(width)));
      }
      softmax_in_place(scores);
      for (std::size_t n = 0; n < scores.size(); ++n) {
        for (std::size_t i = 0; i < width; ++i) {
          joined[t][head * width + i] += scores[n] * values[visible[t][n].row][i];
        }
      }
    }
  }
  return bit_linear(name + ".output", norm(name + ".output_norm", joined));
}

Rows ReferenceLayers::feed_forward(const std::string& name, const Rows& x) {
  Rows hidden = bit_linear(name + ".up", x);
  for (Row& row : hidden) {
    for (double& value : row) value *= 0.5 * (1.0 + std::erf(value / std::sqrt(2.0)));
  }
  return bit_linear(name + ".down", norm(name + ".down_norm", hidden));
}

void add_to(Rows& x, const Rows& y, double factor) {
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t i = 0; i < x[t].size(); ++i) x[t][i] += factor * y[t][i];
  }
}

double dot_product(const Row& a, const Row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void softmax_in_place(Row& x) {
  const double largest = *std::ranges::max_element(x);
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - largest);
  for (double& value : x) value /= sum;
}

}  // namespace bitmar::testing
