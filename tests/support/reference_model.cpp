#include "tests/support/reference_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "model/schema/config_gguf.h"

namespace bitmar::testing {
namespace {

class Reference {
 public:
  Reference(const ModelConfig& config, const ReferenceWeights& weights, const ReferenceInput& input)
      : config_(config), weights_(weights), input_(input), layers_(config, weights) {}

  ReferenceOutput run() {
    const Rows embedded = embed();
    Rows h = embedded;
    for (std::uint32_t layer = 0; layer < config_.encoder_layers; ++layer) {
      text_layer("encoder." + std::to_string(layer), h);
    }
    ReferenceOutput output;
    output.states = layers_.norm("encoder.norm", h);
    const Rows fused = fuse(output.states);
    const bool memory = config_.memory && input_.memory;
    const Rows retrieved = memory ? read_memory(fused, output) : Rows(fused.size(), Row(config_.width, 0.0));
    h = decoder_input(embedded, fused, retrieved);
    for (std::uint32_t layer = 0; layer < config_.decoder_layers; ++layer) {
      const std::string name = "decoder." + std::to_string(layer);
      if (memory) {
        add_to(h, layers_.bit_linear(name + ".memory", retrieved),
               std::tanh(weights_.values(name + ".memory_gate").front()));
      }
      text_layer(name, h);
    }
    output.logits = layers_.bit_linear("output", layers_.norm("decoder.norm", h));
    output.closest_tie = layers_.closest_tie();
    return output;
  }

 private:
  Rows embed() const {
    const Row& table = weights_.values("token_embedding.weight");
    Rows rows;
    for (const std::uint32_t token : input_.tokens) {
      const auto first = table.begin() + static_cast<std::ptrdiff_t>(token * config_.width);
      rows.emplace_back(first, first + config_.width);
    }
    return rows;
  }

  // Token t sees the first S tokens, from position min(t, S + W - 1), and the last W, from its own.
  ReferenceLayers::Visibility sinks_and_window() const {
    const auto sinks = static_cast<std::int64_t>(config_.sink_tokens);
    const auto window = static_cast<std::int64_t>(config_.window_tokens);
    ReferenceLayers::Visibility visible;
    for (std::int64_t t = 0; t < static_cast<std::int64_t>(input_.tokens.size()); ++t) {
      auto& keys = visible.emplace_back();
      for (std::int64_t key = 0; key <= t; ++key) {
        if (key < sinks) {
          keys.push_back({static_cast<std::size_t>(key), key, std::min(t, sinks + window - 1)});
        } else if (key > t - window) {
          keys.push_back({static_cast<std::size_t>(key), key, t});
        }
      }
    }
    return visible;
  }

  void text_layer(const std::string& name, Rows& h) {
    const Rows normed = layers_.norm(name + ".attention_norm", h);
    add_to(h, layers_.attention(name + ".attention", normed, normed, sinks_and_window()));
    add_to(h, layers_.feed_forward(name + ".ffn", layers_.norm(name + ".ffn_norm", h)));
  }

  Rows pooled_features() const {
    const auto side = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(input_.features.size()))));
    if (side < 2 || side % 2 != 0 || side * side != input_.features.size()) return input_.features;
    Rows pooled;
    for (std::size_t y = 0; y < side; y += 2) {
      for (std::size_t x = 0; x < side; x += 2) {
        Row mean(config_.vision_width, 0.0);
        for (const std::size_t patch : {y * side + x, y * side + x + 1, (y + 1) * side + x, (y + 1) * side + x + 1}) {
          for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += input_.features[patch][i] / 4;
        }
        pooled.push_back(mean);
      }
    }
    return pooled;
  }

  Rows fuse(const Rows& states) {
    Rows image{weights_.values("vision.null_token")};
    if (!input_.features.empty()) {
      Rows hidden = layers_.bit_linear("vision.compression.0", pooled_features());
      for (Row& row : hidden) {
        for (double& value : row) value = std::max(value, 0.0);
      }
      const Rows vision = layers_.norm("vision.norm", layers_.bit_linear("vision.compression.1", hidden));
      image.insert(image.end(), vision.begin(), vision.end());
    }
    ReferenceLayers::Visibility all(states.size());
    for (auto& keys : all) {
      for (std::size_t row = 0; row < image.size(); ++row) keys.push_back({row, 0, 0});
    }
    Rows sum = states;
    add_to(sum, layers_.attention("fusion.attention", states, image, all));
    return layers_.norm("fusion.norm", sum);
  }

  Rows queries(const Rows& fused) const {
    Rows rows;
    for (std::size_t t = 0; t < fused.size(); ++t) {
      Row query(config_.width, 0.0);
      if (config_.query == QueryKind::kMean) {
        for (std::size_t s = 0; s <= t; ++s) {
          for (std::size_t i = 0; i < query.size(); ++i) query[i] += fused[s][i] / static_cast<double>(t + 1);
        }
      } else {
        const double decay = 1.0 / (1.0 + std::exp(-weights_.values("memory.query_decay").front()));
        for (std::size_t i = 0; i < query.size(); ++i) {
          query[i] = t == 0 ? fused[0][i] : decay * rows[t - 1][i] + (1 - decay) * fused[t][i];
        }
      }
      rows.push_back(query);
    }
    return rows;
  }

  // On the 8-bit codes of query and slots, over the norms of the originals.
  Rows read_memory(const Rows& fused, ReferenceOutput& output) {
    const Row& slots = weights_.values("memory.slots");
    const Row& usage = weights_.values("memory.usage");
    const double beta = std::log1p(std::exp(weights_.values("memory.read_sharpness").front()));
    Rows rows;
    Row norms;
    for (std::size_t slot = 0; slot < usage.size(); ++slot) {
      const auto first = slots.begin() + static_cast<std::ptrdiff_t>(slot * config_.width);
      const Row row(first, first + config_.width);
      norms.push_back(std::sqrt(dot_product(row, row)));
      rows.push_back(layers_.rounded(row));
    }
    Rows retrieved;
    for (const Row& query : queries(fused)) {
      const double query_norm = std::sqrt(dot_product(query, query));
      const Row codes = layers_.rounded(query);
      Row attention;
      for (std::size_t slot = 0; slot < usage.size(); ++slot) {
        attention.push_back(beta * dot_product(codes, rows[slot]) / (query_norm * norms[slot]) +
                            std::log(static_cast<double>(config_.memory_usage_floor) + usage[slot]));
      }
      softmax_in_place(attention);
      Row sum(config_.width, 0.0);
      for (std::size_t slot = 0; slot < attention.size(); ++slot) {
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += attention[slot] * rows[slot][i];
      }
      retrieved.push_back(sum);
      output.memory_attention.push_back(attention);
      output.mean_query = query;
    }
    return retrieved;
  }

  Rows decoder_input(const Rows& embedded, const Rows& fused, const Rows& retrieved) {
    if (config_.injection == InjectionKind::kConcatenate) {
      Rows joined = embedded;
      for (std::size_t t = 0; t < joined.size(); ++t) {
        joined[t].insert(joined[t].end(), fused[t].begin(), fused[t].end());
        if (config_.memory) joined[t].insert(joined[t].end(), retrieved[t].begin(), retrieved[t].end());
      }
      return layers_.bit_linear("decoder.input", joined);
    }
    Rows h = embedded;
    add_to(h, layers_.bit_linear("decoder.fusion", fused));
    if (config_.memory && input_.memory) add_to(h, layers_.bit_linear("decoder.memory", retrieved));
    return h;
  }

  const ModelConfig& config_;
  const ReferenceWeights& weights_;
  const ReferenceInput& input_;
  ReferenceLayers layers_;
};

}  // namespace

ReferenceOutput run_reference(const std::vector<std::byte>& model_file, const ReferenceInput& input) {
  const GgufFile file = GgufFile::parse(model_file, "reference").value();
  const ModelConfig config = read_config(file).value();
  const ReferenceWeights weights(config, TensorDecoder::open(file).value());
  return Reference(config, weights, input).run();
}

}  // namespace bitmar::testing
