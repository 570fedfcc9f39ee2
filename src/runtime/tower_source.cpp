#include "runtime/tower_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

namespace bitmar {
namespace {

struct NamePair {
  std::string_view ours;
  std::string_view theirs;
};

// Names outside the blocks, then inside: after "vision_tower." and "vision_tower.<n>.".
constexpr std::array kDinov2Tower = {
    NamePair{"patch_embedding.weight", "embeddings.patch_embeddings.projection.weight"},
    NamePair{"patch_embedding.bias", "embeddings.patch_embeddings.projection.bias"},
    NamePair{"class_token", "embeddings.cls_token"},
    NamePair{"register_tokens", "embeddings.register_tokens"},
    NamePair{"position_embedding", "embeddings.position_embeddings"},
    NamePair{"norm.weight", "layernorm.weight"},
    NamePair{"norm.bias", "layernorm.bias"},
};
constexpr std::array kDinov2Block = {
    NamePair{"attention_norm.", "norm1."},
    NamePair{"attention.query.", "attention.attention.query."},
    NamePair{"attention.key.", "attention.attention.key."},
    NamePair{"attention.value.", "attention.attention.value."},
    NamePair{"attention.output.", "attention.output.dense."},
    NamePair{"attention_scale", "layer_scale1.lambda1"},
    NamePair{"mlp_norm.", "norm2."},
    NamePair{"mlp.up.", "mlp.fc1."},
    NamePair{"mlp.down.", "mlp.fc2."},
    NamePair{"mlp_scale", "layer_scale2.lambda1"},
};
constexpr std::array kTimmTower = {
    NamePair{"patch_embedding.weight", "patch_embed.proj.weight"},
    NamePair{"patch_embedding.bias", "patch_embed.proj.bias"},
    NamePair{"class_token", "cls_token"},
    NamePair{"register_tokens", "reg_token"},
    NamePair{"position_embedding", "pos_embed"},
    NamePair{"norm.weight", "norm.weight"},
    NamePair{"norm.bias", "norm.bias"},
};
constexpr std::array kTimmBlock = {
    NamePair{"attention_norm.", "norm1."},
    NamePair{"attention.query.", "attn.qkv."},
    NamePair{"attention.key.", "attn.qkv."},
    NamePair{"attention.value.", "attn.qkv."},
    NamePair{"attention.output.", "attn.proj."},
    NamePair{"attention_scale", "ls1.gamma"},
    NamePair{"mlp_norm.", "norm2."},
    NamePair{"mlp.up.", "mlp.fc1."},
    NamePair{"mlp.down.", "mlp.fc2."},
    NamePair{"mlp_scale", "ls2.gamma"},
};

// What a feature extractor can leave behind: the training mask and classification heads.
constexpr std::array<std::string_view, 5> kUnneeded = {"embeddings.mask_token", "mask_token", "head.", "classifier.",
                                                       "pooler."};

constexpr std::string_view kTowerPrefix = "vision_tower.";

// Replaces the beginning of `name` by the table's pair; names of the table that end in "." keep what follows.
std::string translate(std::span<const NamePair> table, std::string_view name) {
  for (const auto& [ours, theirs] : table) {
    if (name.starts_with(ours)) return fmt::format("{}{}", theirs, name.substr(ours.size()));
  }
  return std::string(name);
}

// "3.mlp.up.weight" -> 3, and the rest after the dot.
std::optional<std::pair<std::uint32_t, std::string_view>> split_index(std::string_view name) {
  std::uint32_t index = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), index);
  const auto digits = static_cast<std::size_t>(end - name.data());
  if (status != std::errc() || digits >= name.size() || name[digits] != '.') return std::nullopt;
  return std::pair(index, name.substr(digits + 1));
}

std::vector<std::uint64_t> without_leading_ones(const std::vector<std::uint64_t>& shape) {
  const auto first = std::ranges::find_if(shape, [](std::uint64_t extent) { return extent != 1; });
  return {first, shape.end()};
}

std::string_view block_prefix(TowerSource kind) {
  return kind == TowerSource::kDinov2 ? "encoder.layer." : "blocks.";
}

}  // namespace

TowerSourceReader::TowerSourceReader(const SafeTensorsFile& file, TowerSource kind) : file_(file), kind_(kind) {
  if (kind != TowerSource::kDinov2) return;
  for (const std::string_view prefix : {"dinov2.", "dinov2_with_registers."}) {
    const auto has_prefix = [&](const SafeTensor& tensor) { return tensor.name.starts_with(prefix); };
    if (std::ranges::any_of(file.tensors(), has_prefix)) prefix_ = prefix;
  }
}

SourceSlice TowerSourceReader::locate(std::string_view our_name) const {
  std::string_view name = our_name;
  if (name.starts_with(kTowerPrefix)) name.remove_prefix(kTowerPrefix.size());
  const bool dinov2 = kind_ == TowerSource::kDinov2;
  const auto block = split_index(name);
  if (!block) {
    return {fmt::format("{}{}", prefix_, dinov2 ? translate(kDinov2Tower, name) : translate(kTimmTower, name))};
  }
  const auto [index, part_name] = *block;
  SourceSlice slice;
  slice.tensor = fmt::format("{}{}{}.{}", prefix_, block_prefix(kind_), index,
                             dinov2 ? translate(kDinov2Block, part_name) : translate(kTimmBlock, part_name));
  if (dinov2 && part_name.starts_with("mlp.") && find(slice.tensor) == nullptr) {
    // The SwiGLU variant's own names.
    const bool up = part_name.starts_with("mlp.up.");
    const std::string_view suffix = part_name.substr(part_name.rfind('.') + 1);
    const std::string gated =
        fmt::format("{}{}{}.mlp.{}.{}", prefix_, block_prefix(kind_), index, up ? "weights_in" : "weights_out", suffix);
    if (find(gated) != nullptr) slice.tensor = gated;
  }
  if (!dinov2) {
    constexpr std::array<std::string_view, 3> kFused = {"attention.query.", "attention.key.", "attention.value."};
    for (std::size_t part = 0; part < kFused.size(); ++part) {
      if (part_name.starts_with(kFused[part])) slice.part = part, slice.parts = kFused.size();
    }
  }
  return slice;
}

const SafeTensor* TowerSourceReader::find(std::string_view source_name) const {
  const auto found = file_.tensor(source_name);
  return found ? *found : nullptr;
}

bool TowerSourceReader::contains(std::string_view our_name) const {
  return find(locate(our_name).tensor) != nullptr;
}

Result<std::vector<std::uint64_t>> TowerSourceReader::shape(std::string_view our_name) const {
  BITMAR_TRY(const SafeTensor* tensor, file_.tensor(locate(our_name).tensor));
  return without_leading_ones(tensor->shape);
}

Result<std::vector<float>> TowerSourceReader::values(const TensorSpec& spec) {
  const SourceSlice slice = locate(spec.name);
  BITMAR_TRY(const SafeTensor* tensor, file_.tensor(slice.tensor));
  std::vector<std::uint64_t> expected = spec.shape;
  expected.front() *= slice.parts;
  std::vector<std::uint64_t> actual = without_leading_ones(tensor->shape);
  // A convolution [width, 3, patch, patch] is our [width, 3 * patch * patch].
  if (actual.size() == 4 && expected.size() == 2) actual = {actual[0], actual[1] * actual[2] * actual[3]};
  if (actual != without_leading_ones(expected)) {
    return fail(ErrorCode::kInvalidFile, "{}: tensor '{}' has shape [{}]; expected [{}]", file_.name(), slice.tensor,
                fmt::join(tensor->shape, ", "), fmt::join(expected, ", "));
  }
  const std::uint64_t count = spec.elements();
  BITMAR_TRY(std::vector<float> all, file_.floats(slice.tensor, count * slice.parts));
  used_.insert(slice.tensor);
  if (slice.parts == 1) return all;
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(slice.part * count);
  return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(count));
}

std::uint32_t TowerSourceReader::depth() const {
  const std::string prefix = fmt::format("{}{}", prefix_, block_prefix(kind_));
  std::uint32_t depth = 0;
  for (const auto& tensor : file_.tensors()) {
    if (!tensor.name.starts_with(prefix)) continue;
    const auto block = split_index(std::string_view(tensor.name).substr(prefix.size()));
    if (block) depth = std::max(depth, block->first + 1);
  }
  return depth;
}

Result<void> TowerSourceReader::check_all_used() const {
  for (const auto& tensor : file_.tensors()) {
    if (used_.contains(tensor.name)) continue;
    std::string_view name = tensor.name;
    if (name.starts_with(prefix_)) name.remove_prefix(prefix_.size());
    const auto unneeded = [&](std::string_view beginning) { return name.starts_with(beginning); };
    if (std::ranges::any_of(kUnneeded, unneeded)) continue;
    return fail(ErrorCode::kUnsupported, "{}: tensor '{}' belongs to a ViT variant that cannot be converted",
                file_.name(), tensor.name);
  }
  return {};
}

}  // namespace bitmar
