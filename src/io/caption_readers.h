// Reads the caption corpora's own file formats. A malformed record is one error naming file and line.
//
//   BITMAR_TRY(const auto captions, read_captions("captions.tsv", CaptionFormat::kTsv));
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bitmar {

enum class CaptionFormat {
  kFlickrToken,          // "name.jpg#0<TAB>caption" (Flickr8k.token.txt)
  kTsv,                  // "name.jpg<TAB>0<TAB>caption"
  kCoco,                 // COCO's captions_*.json: images[{id, file_name}], annotations[{image_id, caption}]
  kConceptualCaptions,   // CC3M: "caption<TAB>url"; the image's name is its url
  kLocalizedNarratives,  // JSON lines with image_id and caption
  kJsonLines,  // JSON lines {"image": "name.jpg", "caption": "…"}; without "image" the line is its own image
  kEasyVqa,    // easy-VQA's [[question, answer, number], …]: "Question: … Answer: …" of "number.png"
};

// "flickr-token", "tsv", "coco", "cc3m", "localized-narratives", "jsonl", "easy-vqa".
[[nodiscard]] Result<CaptionFormat> parse_caption_format(std::string_view name);

// One image's captions, as written in the file.
struct CaptionGroup {
  std::string image;
  std::vector<std::string> captions;
  bool operator==(const CaptionGroup&) const = default;
};

// Groups in order of the images' first appearance, captions in file order. A UTF-8 byte order mark and CRLF line ends
// are accepted, blank lines skipped. kInvalidFile names file:line (for COCO: the annotation's number).
[[nodiscard]] Result<std::vector<CaptionGroup>> read_captions(const std::string& path, CaptionFormat format);

// A list of names, one a line, blank lines skipped: a split such as Flickr8k's train list.
[[nodiscard]] Result<std::vector<std::string>> read_name_list(const std::string& path);

}  // namespace bitmar
