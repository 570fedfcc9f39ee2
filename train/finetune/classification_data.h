// Reads a classification task's items and makes each one row of tokens with a label.
//
//   BITMAR_TRY(const ClassificationData data, read_classification_data(path, task, tokenizer, 512, 0));
//   data.examples[0].tokens;   // <|endoftext|> first text <|endoftext|> second text
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "finetune/classification_task.h"
#include "text/tokenizer.h"

namespace bitmar {

struct ClassificationExample {
  std::vector<TokenId> tokens;
  std::uint32_t label = 0;  // below the task's classes
};

struct ClassificationData {
  std::vector<ClassificationExample> examples;  // in the file's order
  std::string fingerprint;                      // of the file's bytes
};

// JSON lines with the strings that the task's texts name and an integer "label"; other keys are not looked at, blank
// lines are skipped. Rows are cut to `maximum_tokens`, marks included: the longer text first, as the pipeline's
// tokenizer does. `limit`: the first so many items; 0: all. Errors name file, line and key; a file without an item is
// one.
[[nodiscard]] Result<ClassificationData> read_classification_data(const std::string& path,
                                                                  const ClassificationTask& task,
                                                                  const Tokenizer& tokenizer,
                                                                  std::uint32_t maximum_tokens, std::uint64_t limit);

}  // namespace bitmar
