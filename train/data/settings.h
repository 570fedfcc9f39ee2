// What the [data] table of a training configuration says: which corpora to prepare and how to mix them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/key_error.h"
#include "io/caption_readers.h"
#include "text/caption_text.h"

namespace bitmar {

enum class SourceKind { kCaptions, kText };

// How a text file divides into documents; no training row crosses a document's end.
enum class DocumentLayout {
  kFile,        // the whole file is one stream; blank lines are dropped
  kBlankLines,  // blank lines separate documents
  kLines,       // every line is a document
};
// "file", "blank-lines", "lines".
[[nodiscard]] Result<DocumentLayout> parse_document_layout(std::string_view name);

// One corpus, prepared into one shard. Paths are relative to DataSettings::root unless absolute.
struct SourceSettings {
  std::string name = {};  // the shard's folder; [A-Za-z0-9._-]+
  SourceKind kind = SourceKind::kText;
  std::string path = {};
  // Captions.
  CaptionFormat format = CaptionFormat::kTsv;
  std::string images = {};   // optional: only the images of this name list, in its order
  std::string exclude = {};  // optional: a name list of held-out images, whose captions are left out
  CaptionTextOptions caption_text = {};
  // Text.
  DocumentLayout documents = DocumentLayout::kFile;
  std::uint64_t max_words = 0;       // 0: all; else the file's first lines up to this many words
  std::uint64_t holdout_tokens = 0;  // the shard's last tokens, kept from training for validation
};

// Rows of one kind in the mixture.
struct StreamSettings {
  std::string name = {};
  std::vector<std::string> sources = {};  // all captions or all text
  // .npy files [images, N, F] or [images, F], each beside its `<file>.txt` of names; a row draws one of them at random
  // (augmented views). Empty: rows without photo.
  std::vector<std::string> features = {};
  double weight = 1.0;         // its share of the mixture, in MixtureUnit
  std::uint32_t rows = 64;     // B: rows a batch
  std::uint32_t segments = 2;  // G: captions of one image, or consecutive chunks of one document
  std::uint32_t length = 256;  // text: predicted tokens a segment; captions: longer ones are cut to it
  double contrast = 1.0;       // training on photos: what its batches' contrastive loss counts; 0: they have none
  std::uint32_t samples = 0;   // training on photos: captions drawn a photo and learned from by their reward; 0: none
};

// What `weight` shares out.
enum class MixtureUnit { kBatches, kRows, kTokens };

struct DataSettings {
  std::string root = "data";         // where sources lie; features are named from the working directory
  std::string shards = "runs/data";  // where prepared shards lie, relative to the working directory
  std::string merges = "models/gpt2-merges.txt";
  std::uint64_t seed = 1;
  MixtureUnit mixture_unit = MixtureUnit::kBatches;
  std::uint32_t bucket_batches = 32;  // batches' worth of rows that are sorted by length together; 1: no bucketing
  std::uint32_t prefetch = 4;         // batches made ahead by a background thread; 0: none
  std::vector<SourceSettings> sources;
  std::vector<StreamSettings> train;
  std::vector<StreamSettings> validation;  // text streams read the held-out tokens of their sources

  // kInvalidArgument names the key: unknown sources, mixed kinds, zero sizes, duplicate names.
  [[nodiscard]] Validity validate() const;
};

}  // namespace bitmar
