#include "data/prepare.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "data/fingerprint.h"
#include "data/npy_write.h"
#include "io/atomic_file.h"
#include "io/caption_readers.h"
#include "io/lines.h"
#include "io/mapped_file.h"
#include "text/caption_text.h"

namespace bitmar {
namespace {

// What goes into a shard's files, before it is written.
struct Contents {
  std::vector<std::uint16_t> tokens;
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint64_t> groups = {0};
  std::vector<std::string> image_names;
  std::uint64_t words = 0;

  void append(std::span<const TokenId> ids) {
    for (const TokenId id : ids) tokens.push_back(static_cast<std::uint16_t>(id));
  }
  void end_sequence() { offsets.push_back(tokens.size()); }
};

// Changes whenever the shard's contents could: bump kRecipe when this file changes what it writes.
constexpr std::uint64_t kRecipe = 2;

// A name list that the settings may name.
class NameList {
 public:
  static Result<NameList> open(const std::string& root, const std::string& path) {
    NameList list;
    if (path.empty()) return list;
    list.path_ = (std::filesystem::path(root) / path).string();
    BITMAR_TRY(list.file_, MappedFile::open(list.path_));
    return list;
  }
  [[nodiscard]] bool given() const { return file_.has_value(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Result<std::vector<std::string>> names() const { return read_name_list(path_); }
  void add_to(Fingerprint& print) const {
    print.add_number(given() ? 1 : 0);
    print.add_number(given() ? file_->bytes().size() : 0);
    if (given()) print.add_bytes(file_->bytes());
  }

 private:
  std::string path_;
  std::optional<MappedFile> file_;
};

std::string fingerprint(const SourceSettings& source, const Tokenizer& tokenizer, std::span<const std::byte> bytes,
                        const NameList& images, const NameList& exclude) {
  Fingerprint print;
  print.add_number(kRecipe);
  print.add_number(static_cast<std::uint64_t>(source.kind));
  if (source.kind == SourceKind::kCaptions) {
    print.add_number(static_cast<std::uint64_t>(source.format));
    print.add_number(source.caption_text.detokenise ? 1 : 0);
    print.add_number(source.caption_text.final_stop ? 1 : 0);
    images.add_to(print);
    exclude.add_to(print);
  } else {
    print.add_number(static_cast<std::uint64_t>(source.documents));
    print.add_number(source.max_words);
    print.add_number(source.holdout_tokens);
  }
  for (const MergePair merge : tokenizer.merges()) {
    print.add_number((std::uint64_t{merge.left} << 16) | merge.right);
  }
  print.add_number(bytes.size());
  print.add_bytes(bytes);
  return print.hex();
}

std::uint64_t count_words(std::string_view text) {
  std::uint64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (!blank && !inside) ++words;
    inside = !blank;
  }
  return words;
}

// Keeps the groups that `list` names, in its order.
Result<std::vector<CaptionGroup>> select(std::vector<CaptionGroup> groups, const NameList& list,
                                         const std::string& path) {
  BITMAR_TRY(const auto names, list.names());
  std::unordered_map<std::string_view, std::size_t> index;
  for (std::size_t i = 0; i < groups.size(); ++i) index.emplace(groups[i].image, i);
  std::vector<CaptionGroup> selected;
  for (const std::string& name : names) {
    const auto found = index.find(name);
    if (found == index.end()) {
      return fail(ErrorCode::kInvalidFile, "{}: '{}' has no captions in {}", list.path(), name, path);
    }
    selected.push_back(groups[found->second]);
  }
  return selected;
}

// What tells one photo from another whatever corpus names it: the photo id that leads a name of Flickr's
// ("1000268201_693b08cb0e.jpg" in Flickr8k, "1000268201.jpg" in Flickr30k), else the whole name.
std::string_view photo_of(std::string_view name) {
  const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  const bool is_id = digits > 0 && (digits == name.size() || name[digits] == '_' || name[digits] == '.');
  return is_id ? name.substr(0, digits) : name;
}

// Drops the groups of photos that `list` names: a corpus may hold the photos of another one's evaluation split.
Result<std::vector<CaptionGroup>> exclude_photos(std::vector<CaptionGroup> groups, const NameList& list) {
  BITMAR_TRY(const auto names, list.names());
  std::unordered_set<std::string_view> photos;
  for (const std::string& name : names) photos.insert(photo_of(name));
  std::erase_if(groups, [&](const CaptionGroup& group) { return photos.contains(photo_of(group.image)); });
  return groups;
}

void tokenize_captions(const std::vector<CaptionGroup>& groups, const SourceSettings& source,
                       const Tokenizer& tokenizer, std::uint64_t bytes, const PrepareProgress& progress,
                       Contents& contents) {
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::uint64_t before = contents.offsets.size();
    for (const std::string& raw : groups[i].captions) {
      const std::string caption = normalise_caption(raw, source.caption_text);
      if (caption.empty()) continue;
      ids.clear();
      tokenizer.encode_append(caption, ids);
      contents.append(ids);
      contents.words += count_words(caption);
      contents.end_sequence();
    }
    if (contents.offsets.size() == before) continue;  // every caption was empty
    contents.groups.push_back(contents.offsets.size() - 1);
    contents.image_names.push_back(groups[i].image);
    if (progress && i % 1024 == 0) progress(source, bytes * i / groups.size(), bytes);
  }
}

// A document's lines are joined by line feeds. A line never starts or ends with white space here, so GPT-2's split
// pattern cuts around each line feed and encoding line by line gives what encoding the whole document would.
void tokenize_text(std::string_view text, const SourceSettings& source, const Tokenizer& tokenizer,
                   const PrepareProgress& progress, Contents& contents) {
  std::vector<TokenId> ids;
  const auto end_document = [&] {
    if (contents.tokens.size() > contents.offsets.back()) contents.end_sequence();
  };
  Lines lines(text);
  std::string_view raw;
  while (lines.next(raw)) {
    const std::string_view line = strip(raw);
    if (line.empty()) {
      if (source.documents == DocumentLayout::kBlankLines) end_document();
      continue;
    }
    ids.clear();
    if (contents.tokens.size() > contents.offsets.back()) tokenizer.encode_append("\n", ids);
    tokenizer.encode_append(line, ids);
    contents.append(ids);
    contents.words += count_words(line);
    if (source.documents == DocumentLayout::kLines) end_document();
    if (source.max_words != 0 && contents.words >= source.max_words) break;
    if (progress && lines.number() % 4096 == 0) progress(source, lines.position(), text.size());
  }
  end_document();
}

// The held-out tail starts at a document, unless that is the first one.
std::uint64_t holdout(const Contents& contents, std::uint64_t wanted) {
  if (wanted == 0) return 0;
  const std::uint64_t boundary = contents.tokens.size() - wanted;
  const std::uint64_t start = *std::prev(std::ranges::upper_bound(contents.offsets, boundary));
  return contents.tokens.size() - (start > 0 ? start : boundary);
}

Result<void> write_contents(const Contents& contents, const ShardManifest& manifest, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, "{}: cannot create the folder: {}", folder, error.message());
  const std::string manifest_path = folder + "/manifest.json";
  std::filesystem::remove(manifest_path, error);
  if (error) return fail(ErrorCode::kIo, "{}: cannot replace it: {}", manifest_path, error.message());
  BITMAR_TRY_VOID(write_npy(folder + "/tokens.npy", contents.tokens));
  BITMAR_TRY_VOID(write_npy(folder + "/offsets.npy", contents.offsets));
  if (manifest.kind == SourceKind::kCaptions) {
    BITMAR_TRY_VOID(write_npy(folder + "/groups.npy", contents.groups));
    std::string names;
    for (const std::string& name : contents.image_names) names += name + '\n';
    BITMAR_TRY(AtomicFile file, AtomicFile::create(folder + "/images.txt"));
    BITMAR_TRY_VOID(file.write(std::as_bytes(std::span(names))));
    BITMAR_TRY_VOID(file.commit());
  }
  return manifest.write(manifest_path);
}

}  // namespace

Result<PreparedSource> prepare_source(const DataSettings& settings, const SourceSettings& source,
                                      const Tokenizer& tokenizer, bool force, const PrepareProgress& progress) {
  if (tokenizer.vocabulary_size() > 65536) {
    return fail(ErrorCode::kUnsupported, "{}: {} tokens do not fit the 16 bits of a shard", settings.merges,
                tokenizer.vocabulary_size());
  }
  const std::string path = (std::filesystem::path(settings.root) / source.path).string();
  BITMAR_TRY(const MappedFile file, MappedFile::open(path));
  BITMAR_TRY(const NameList images, NameList::open(settings.root, source.images));
  BITMAR_TRY(const NameList exclude, NameList::open(settings.root, source.exclude));

  const std::string folder = settings.shards + "/" + source.name;
  PreparedSource prepared;
  prepared.manifest.fingerprint = fingerprint(source, tokenizer, file.bytes(), images, exclude);
  if (!force) {
    auto existing = ShardManifest::read(folder + "/manifest.json");
    if (existing && existing->fingerprint == prepared.manifest.fingerprint) {
      if (Shard::open(folder)) return PreparedSource{*std::move(existing), true};
    }
  }

  Contents contents;
  if (source.kind == SourceKind::kCaptions) {
    BITMAR_TRY(auto groups, read_captions(path, source.format));
    if (images.given()) {
      BITMAR_TRY(groups, select(std::move(groups), images, path));
    }
    if (exclude.given()) {
      BITMAR_TRY(groups, exclude_photos(std::move(groups), exclude));
    }
    tokenize_captions(groups, source, tokenizer, file.bytes().size(), progress, contents);
  } else {
    tokenize_text(as_text(file.bytes()), source, tokenizer, progress, contents);
    if (source.holdout_tokens >= contents.tokens.size() && source.holdout_tokens > 0) {
      return fail(ErrorCode::kInvalidArgument, "data.source '{}'.holdout_tokens is {}, but the text has {} tokens",
                  source.name, source.holdout_tokens, contents.tokens.size());
    }
  }
  if (contents.tokens.empty()) return fail(ErrorCode::kInvalidFile, "{}: no text in it", path);

  ShardManifest& manifest = prepared.manifest;
  manifest.name = source.name;
  manifest.kind = source.kind;
  manifest.source = std::filesystem::path(source.path).filename().string();
  manifest.vocabulary = tokenizer.vocabulary_size();
  manifest.images = contents.image_names.size();
  manifest.sequences = contents.offsets.size() - 1;
  manifest.words = contents.words;
  manifest.tokens = contents.tokens.size();
  manifest.holdout_tokens = holdout(contents, source.holdout_tokens);
  BITMAR_TRY_VOID(write_contents(contents, manifest, folder));
  return prepared;
}

}  // namespace bitmar
