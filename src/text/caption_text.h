// Cleans caption text: corpora differ in tokenised punctuation, white space and final stops.
//
//   normalise_caption(" A dog runs , then stops . ", {});  // "A dog runs, then stops."
#pragma once

#include <string>
#include <string_view>

namespace bitmar {

struct CaptionTextOptions {
  // Removes the blank that tokenisers put before , . ; : ! ? % ) and after ( and on the inner sides of a pair of
  // quotes; joins "do n't" and "dog 's"; turns the Penn Treebank's -LRB-, -RRB-, `` and '' into what they stand for.
  bool detokenise = true;
  // Ends the caption with a full stop, in place of a last , ; : or -, unless it ends with . ! or ? (before a closing
  // quote or bracket, if any).
  bool final_stop = true;
};

// White space (ASCII and U+00A0) always collapses to single blanks and is stripped at both ends. Case is kept. The
// result is empty where nothing but white space (or a lone stop) was given.
[[nodiscard]] std::string normalise_caption(std::string_view text, const CaptionTextOptions& options);

}  // namespace bitmar
