// The tower against a vision transformer written down plainly in double precision.
#include "model/vision_tower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"
#include "io/gguf.h"
#include "tests/support/random_model.h"
#include "tests/support/reference_layers.h"

namespace bitmar {
namespace {

using testing::Row;
using testing::Rows;

struct Variant {
  const char* name;
  TowerPrecision precision = TowerPrecision::kFloat32;
  TowerMlp mlp = TowerMlp::kGelu;
  bool layer_scale = false;
  std::uint32_t registers = 0;
  bool class_feature = false;
};

ModelConfig config_of(const Variant& variant) {
  ModelConfig config = testing::small_config();
  VisionTowerConfig tower = testing::small_tower(config.vision_width);
  // Few tokens: every activation that a quantized tower rounds may fall on a tie.
  tower.image_size = 8;
  tower.position_grid = 2;
  tower.precision = variant.precision;
  tower.mlp = variant.mlp;
  tower.layer_scale = variant.layer_scale;
  tower.register_tokens = variant.registers;
  tower.class_feature = variant.class_feature;
  config.vision_width = tower.feature_width();
  config.tower = tower;
  return config;
}

class ReferenceTower {
 public:
  ReferenceTower(const ModelConfig& config, const TensorDecoder& tensors)
      : config_(*config.tower), weights_(config, tensors) {}

  // [patches, feature_width()]
  Rows encode(const std::vector<float>& pixels) {
    const std::size_t side = config_.image_size;
    const std::size_t patch = config_.patch_size;
    Rows patches;
    for (std::size_t top = 0; top < side; top += patch) {
      for (std::size_t left = 0; left < side; left += patch) {
        Row& values = patches.emplace_back();
        for (std::size_t channel = 0; channel < 3; ++channel) {
          for (std::size_t y = top; y < top + patch; ++y) {
            for (std::size_t x = left; x < left + patch; ++x) values.push_back(pixels[(channel * side + y) * side + x]);
          }
        }
      }
    }
    patches = linear("patch_embedding", patches, config_.precision != TowerPrecision::kFloat32);
    const Rows positions = rows("position_embedding");
    Rows x = rows("class_token");
    testing::add_to(x, {positions[0]}, 1.0);
    if (config_.register_tokens > 0) std::ranges::copy(rows("register_tokens"), std::back_inserter(x));
    const std::size_t prefix = x.size();
    testing::add_to(patches, Rows(positions.begin() + 1, positions.end()), 1.0);
    std::ranges::copy(patches, std::back_inserter(x));
    for (std::size_t layer = 0; layer < config_.depth; ++layer) {
      const std::string block = std::to_string(layer) + ".";
      add_scaled(x, attend(block + "attention.", norm(block + "attention_norm", x)), block + "attention_scale");
      add_scaled(x, feed_forward(block + "mlp.", norm(block + "mlp_norm", x)), block + "mlp_scale");
    }
    x = norm("norm", x);
    Rows features(x.begin() + static_cast<std::ptrdiff_t>(prefix), x.end());
    for (Row& row : features) {
      if (config_.class_feature) std::ranges::copy(x[0], std::back_inserter(row));
    }
    return features;
  }
  [[nodiscard]] double closest_tie() const { return closest_tie_; }

 private:
  [[nodiscard]] const Row& values(const std::string& name) const { return weights_.values("vision_tower." + name); }
  [[nodiscard]] Rows rows(const std::string& name) const {
    Rows result;
    const Row& all = values(name);
    for (std::size_t i = 0; i < all.size(); i += config_.width) {
      result.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i),
                          all.begin() + static_cast<std::ptrdiff_t>(i + config_.width));
    }
    return result;
  }

  // Returns what a code stands for.
  double round_to_codes(std::span<double> values, double range) {
    double largest = 0;
    for (const double value : values) largest = std::max(largest, std::abs(value));
    const double step = largest / range;
    for (double& value : values) {
      const double scaled = value / step;
      closest_tie_ = std::min(closest_tie_, std::abs(std::abs(scaled - std::floor(scaled)) - 0.5));
      value = std::nearbyint(scaled);
    }
    return step;
  }

  // The heads of each row as the codes that the kernels would hold, times what they stand for.
  void quantize_heads(Rows& rows, std::size_t head_width) {
    for (Row& row : rows) {
      for (std::size_t first = 0; first < row.size(); first += head_width) {
        const std::span<double> head = std::span(row).subspan(first, head_width);
        const double step = round_to_codes(head, static_cast<double>(kHeadRange));
        for (double& value : head) value *= step;
      }
    }
  }

  Rows linear(const std::string& name, const Rows& x, bool quantized) {
    const Row& weight = values(name + ".weight");
    const Row& bias = values(name + ".bias");
    const bool ternary = config_.precision == TowerPrecision::kTernary && name != "patch_embedding";
    const double gamma = ternary ? weights_.scale("vision_tower." + name + ".weight") : 1.0;
    Rows out;
    for (Row row : x) {
      const double step = quantized ? round_to_codes(row, 127.0) : 1.0;
      Row& result = out.emplace_back();
      for (std::size_t r = 0; r < bias.size(); ++r) {
        double sum = 0;
        for (std::size_t c = 0; c < row.size(); ++c) sum += weight[r * row.size() + c] * row[c];
        result.push_back(sum * gamma * step + bias[r]);
      }
    }
    return out;
  }
  Rows block_linear(const std::string& name, const Rows& x) {
    return linear(name, x, config_.precision != TowerPrecision::kFloat32);
  }

  [[nodiscard]] Rows norm(const std::string& name, Rows x) const {
    for (Row& row : x) {
      const auto count = static_cast<double>(row.size());
      double mean = 0;
      for (const double value : row) mean += value / count;
      double variance = 0;
      for (const double value : row) variance += (value - mean) * (value - mean) / count;
      const double scale = 1.0 / std::sqrt(variance + static_cast<double>(config_.norm_epsilon));
      for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] = (row[i] - mean) * scale * values(name + ".weight")[i] + values(name + ".bias")[i];
      }
    }
    return x;
  }

  Rows attend(const std::string& name, const Rows& x) {
    Rows q = block_linear(name + "query", x);
    Rows k = block_linear(name + "key", x);
    Rows v = block_linear(name + "value", x);
    const std::size_t head_width = config_.width / config_.heads;
    if (config_.precision == TowerPrecision::kTernary) {
      for (Rows* part : {&q, &k, &v}) quantize_heads(*part, head_width);
    }
    Rows joined(x.size(), Row(config_.width, 0.0));
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (std::size_t first = 0; first < config_.width; first += head_width) {
        Row scores;
        for (const Row& key : k) {
          double score = 0;
          for (std::size_t i = first; i < first + head_width; ++i) score += q[t][i] * key[i];
          scores.push_back(score / std::sqrt(static_cast<double>(head_width)));
        }
        testing::softmax_in_place(scores);
        for (std::size_t n = 0; n < scores.size(); ++n) {
          for (std::size_t i = first; i < first + head_width; ++i) joined[t][i] += scores[n] * v[n][i];
        }
      }
    }
    return block_linear(name + "output", joined);
  }

  Rows feed_forward(const std::string& name, const Rows& x) {
    Rows hidden = block_linear(name + "up", x);
    for (Row& row : hidden) {
      if (config_.mlp == TowerMlp::kGelu) {
        for (double& value : row) value *= 0.5 * (1.0 + std::erf(value / std::sqrt(2.0)));
      } else {
        for (std::size_t i = 0; i < config_.mlp_hidden; ++i) {
          row[i] = row[i] / (1.0 + std::exp(-row[i])) * row[i + config_.mlp_hidden];
        }
        row.resize(config_.mlp_hidden);
      }
    }
    return block_linear(name + "down", hidden);
  }

  void add_scaled(Rows& x, Rows update, const std::string& scale) const {
    for (Row& row : update) {
      for (std::size_t i = 0; config_.layer_scale && i < row.size(); ++i) row[i] *= values(scale)[i];
    }
    testing::add_to(x, update, 1.0);
  }

  VisionTowerConfig config_;
  testing::ReferenceWeights weights_;
  double closest_tie_ = 0.5;
};

struct Loaded {
  std::vector<std::byte> bytes;
  GgufFile file;
  TensorDecoder tensors;
  VisionTower tower;
};

Loaded load(const ModelConfig& config, std::uint64_t seed) {
  auto bytes = testing::random_model_file(config, seed);
  GgufFile file = GgufFile::parse(bytes, "random.gguf").value();
  TensorDecoder tensors = TensorDecoder::open(file).value();
  VisionTower tower = VisionTower::load(*config.tower, tensors, *default_kernels().value()).value();
  return {std::move(bytes), std::move(file), std::move(tensors), std::move(tower)};
}

std::vector<float> random_pixels(const VisionTowerConfig& config, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> pixels(std::size_t{3} * config.image_size * config.image_size);
  for (float& pixel : pixels) pixel = static_cast<float>(2.0 * random.uniform() - 1.0);
  return pixels;
}

std::vector<float> encode(const VisionTower& tower, const std::vector<float>& pixels, ThreadPool* pool) {
  VisionWorkspace workspace(tower);
  const std::size_t patches = tower.config().patches();
  std::vector<float> features(patches * tower.config().feature_width());
  tower.encode(pixels, {features, patches, tower.config().feature_width()}, workspace, pool);
  return features;
}

class VisionTowerVariants : public ::testing::TestWithParam<Variant> {};

INSTANTIATE_TEST_SUITE_P(
    All, VisionTowerVariants,
    ::testing::Values(Variant{"gelu"}, Variant{"swiglu", TowerPrecision::kFloat32, TowerMlp::kSwiGlu},
                      Variant{"layer_scale", TowerPrecision::kFloat32, TowerMlp::kGelu, true},
                      Variant{"registers", TowerPrecision::kFloat32, TowerMlp::kGelu, true, 3},
                      Variant{"swiglu_registers", TowerPrecision::kFloat32, TowerMlp::kSwiGlu, true, 4},
                      Variant{"int8", TowerPrecision::kInt8}, Variant{"ternary", TowerPrecision::kTernary},
                      Variant{"ternary_registers", TowerPrecision::kTernary, TowerMlp::kGelu, true, 2},
                      Variant{"class_feature", TowerPrecision::kFloat32, TowerMlp::kGelu, false, 2, true},
                      Variant{"ternary_class_feature", TowerPrecision::kTernary, TowerMlp::kGelu, false, 0, true}),
    [](const auto& info) { return std::string(info.param.name); });

// A quantized tower whose activations come close to a tie is passed over, since floats may round it the other way;
// enough others must remain (as in session_test.cpp).
TEST_P(VisionTowerVariants, EqualsAPlainTransformerInDoubles) {
  // About 20 float operations on rows of at most 48 elements stand between two roundings.
  const double kRelative = 4 * std::sqrt(20.0 * 48.0) * 0x1p-24;
  const double kTieMargin = 127 * kRelative;
  const ModelConfig config = config_of(GetParam());
  constexpr int kModels = 10;
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 400 && compared < kModels; ++seed) {
    const Loaded loaded = load(config, seed);
    const std::vector<float> pixels = random_pixels(*config.tower, seed);
    ReferenceTower reference(config, loaded.tensors);
    const Rows expected = reference.encode(pixels);
    if (GetParam().precision != TowerPrecision::kFloat32 && reference.closest_tie() < kTieMargin) continue;
    ++compared;
    const std::vector<float> features = encode(loaded.tower, pixels, nullptr);
    double largest = 0;
    double difference = 0;
    for (std::size_t i = 0; i < features.size(); ++i) {
      const std::size_t width = config.tower->feature_width();
      const double wanted = expected[i / width][i % width];
      largest = std::max(largest, std::abs(wanted));
      difference = std::max(difference, std::abs(wanted - static_cast<double>(features[i])));
    }
    EXPECT_LE(difference, kRelative * largest) << "seed " << seed << ", tie " << reference.closest_tie();
  }
  EXPECT_EQ(compared, kModels);
}

TEST_P(VisionTowerVariants, ThreadsAndAUsedWorkspaceChangeNothing) {
  ModelConfig config = config_of(GetParam());
  config.tower->image_size = 72;  // 324 patches: more than pass through the MLP together
  config.tower->position_grid = 18;
  const Loaded loaded = load(config, 5);
  const std::vector<float> pixels = random_pixels(*config.tower, 5);
  const std::vector<float> expected = encode(loaded.tower, pixels, nullptr);
  ThreadPool pool(3);
  EXPECT_EQ(encode(loaded.tower, pixels, &pool), expected);
  VisionWorkspace workspace(loaded.tower);
  std::vector<float> features(expected.size());
  const MatrixView<float> out{features, config.tower->patches(), config.tower->feature_width()};
  loaded.tower.encode(random_pixels(*config.tower, 6), out, workspace, nullptr);
  EXPECT_NE(features, expected);
  loaded.tower.encode(pixels, out, workspace, nullptr);
  EXPECT_EQ(features, expected);
}

}  // namespace
}  // namespace bitmar
