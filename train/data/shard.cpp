#include "data/shard.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/atomic_file.h"
#include "io/caption_readers.h"
#include "io/lines.h"
#include "io/mapped_file.h"

namespace bitmar {
namespace {

using nlohmann::json;

constexpr std::uint64_t kFormatVersion = 1;

template <typename T>
Result<std::span<const T>> integers(const NpyFile& file, DataType type, const std::string& path) {
  if (file.type() != type || file.shape().size() != 1) {
    return fail(ErrorCode::kInvalidFile, "{}: expected one dimension of {}", path, data_type_name(type));
  }
  const auto* data = file.bytes().data();
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0) {
    return fail(ErrorCode::kInvalidFile, "{}: the values are not aligned", path);
  }
  return std::span<const T>(reinterpret_cast<const T*>(data), file.bytes().size() / sizeof(T));
}

// Offsets [count + 1] must rise from 0 to `total`.
Result<void> check_offsets(std::span<const std::uint64_t> offsets, std::uint64_t count, std::uint64_t total,
                           const std::string& path) {
  if (offsets.size() != count + 1 || offsets.front() != 0 || offsets.back() != total ||
      !std::ranges::is_sorted(offsets)) {
    return fail(ErrorCode::kInvalidFile, "{}: expected {} offsets that rise from 0 to {}", path, count + 1, total);
  }
  return {};
}

}  // namespace

Result<ShardManifest> ShardManifest::read(const std::string& path) {
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  const json root = json::parse(as_text(file.bytes()), nullptr, false);
  if (!root.is_object()) return fail(ErrorCode::kInvalidFile, "{}: not a JSON object", path);
  ShardManifest manifest;
  std::uint64_t version = 0;
  std::string kind;
  Result<void> status;
  const auto read_text = [&](const char* key, std::string& value) {
    const auto found = root.find(key);
    if (found != root.end() && found->is_string()) {
      value = found->get<std::string>();
    } else if (status) {
      status = fail(ErrorCode::kInvalidFile, "{}: key '{}' must be a string", path, key);
    }
  };
  const auto read_count = [&](const char* key, std::uint64_t& value) {
    const auto found = root.find(key);
    if (found != root.end() && found->is_number_unsigned()) {
      value = found->get<std::uint64_t>();
    } else if (status) {
      status = fail(ErrorCode::kInvalidFile, "{}: key '{}' must be a count", path, key);
    }
  };
  read_count("version", version);
  read_text("name", manifest.name);
  read_text("kind", kind);
  read_text("fingerprint", manifest.fingerprint);
  read_text("source", manifest.source);
  read_count("vocabulary", manifest.vocabulary);
  read_count("images", manifest.images);
  read_count("sequences", manifest.sequences);
  read_count("words", manifest.words);
  read_count("tokens", manifest.tokens);
  read_count("holdout_tokens", manifest.holdout_tokens);
  if (!status) return std::unexpected(status.error());
  if (version != kFormatVersion) {
    return fail(ErrorCode::kUnsupported, "{}: shard version {}, expected {}; run prepare again", path, version,
                kFormatVersion);
  }
  if (kind != "captions" && kind != "text") {
    return fail(ErrorCode::kInvalidFile, "{}: key 'kind' is '{}', expected captions or text", path, kind);
  }
  if (manifest.holdout_tokens > manifest.tokens) {
    return fail(ErrorCode::kInvalidFile, "{}: more tokens held out than there are", path);
  }
  manifest.kind = kind == "captions" ? SourceKind::kCaptions : SourceKind::kText;
  return manifest;
}

Result<void> ShardManifest::write(const std::string& path) const {
  const json root = {{"version", kFormatVersion},
                     {"name", name},
                     {"kind", kind == SourceKind::kCaptions ? "captions" : "text"},
                     {"fingerprint", fingerprint},
                     {"source", source},
                     {"vocabulary", vocabulary},
                     {"images", images},
                     {"sequences", sequences},
                     {"words", words},
                     {"tokens", tokens},
                     {"holdout_tokens", holdout_tokens}};
  const std::string text = root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  BITMAR_TRY(AtomicFile file, AtomicFile::create(path));
  BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Result<Shard> Shard::open(const std::string& folder) {
  Shard shard;
  auto manifest = ShardManifest::read(folder + "/manifest.json");
  if (!manifest && manifest.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound, "{}: no prepared shard; run prepare with this configuration first", folder);
  }
  if (!manifest) return std::unexpected(manifest.error());
  shard.manifest_ = *std::move(manifest);
  const auto load = [&](const char* name) -> Result<void> {
    BITMAR_TRY(NpyFile file, NpyFile::open(folder + "/" + name));
    shard.files_.push_back(std::move(file));
    return {};
  };
  BITMAR_TRY_VOID(load("tokens.npy"));
  BITMAR_TRY_VOID(load("offsets.npy"));
  const std::string tokens_path = folder + "/tokens.npy";
  const std::string offsets_path = folder + "/offsets.npy";
  BITMAR_TRY(shard.tokens_, integers<std::uint16_t>(shard.files_[0], DataType::kU16, tokens_path));
  BITMAR_TRY(shard.offsets_, integers<std::uint64_t>(shard.files_[1], DataType::kU64, offsets_path));
  if (shard.tokens_.size() != shard.manifest_.tokens) {
    return fail(ErrorCode::kInvalidFile, "{}: {} tokens, but the manifest says {}", tokens_path, shard.tokens_.size(),
                shard.manifest_.tokens);
  }
  BITMAR_TRY_VOID(check_offsets(shard.offsets_, shard.manifest_.sequences, shard.manifest_.tokens, offsets_path));
  if (!shard.tokens_.empty() && std::ranges::max(shard.tokens_) >= shard.manifest_.vocabulary) {
    return fail(ErrorCode::kInvalidFile, "{}: a token beyond the vocabulary of {}", tokens_path,
                shard.manifest_.vocabulary);
  }
  if (shard.manifest_.kind == SourceKind::kText) return shard;

  BITMAR_TRY_VOID(load("groups.npy"));
  const std::string groups_path = folder + "/groups.npy";
  BITMAR_TRY(shard.groups_, integers<std::uint64_t>(shard.files_[2], DataType::kU64, groups_path));
  BITMAR_TRY_VOID(check_offsets(shard.groups_, shard.manifest_.images, shard.manifest_.sequences, groups_path));
  BITMAR_TRY(shard.image_names_, read_name_list(folder + "/images.txt"));
  if (shard.image_names_.size() != shard.manifest_.images) {
    return fail(ErrorCode::kInvalidFile, "{}/images.txt: {} names, but the manifest says {}", folder,
                shard.image_names_.size(), shard.manifest_.images);
  }
  return shard;
}

}  // namespace bitmar
