// Tokenizes corpora once into shards. Interrupted, it leaves the finished shards; run again, it makes the rest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "data/settings.h"
#include "data/shard.h"
#include "text/tokenizer.h"

namespace bitmar {

// Bytes of the source read so far, and in all.
using PrepareProgress = std::function<void(const SourceSettings& source, std::uint64_t done, std::uint64_t total)>;

struct PreparedSource {
  ShardManifest manifest;
  bool reused = false;  // the shard was there and up to date
};

// Prepares one source into `<shards>/<name>/`. `force` remakes a shard that is up to date.
[[nodiscard]] Result<PreparedSource> prepare_source(const DataSettings& settings, const SourceSettings& source,
                                                    const Tokenizer& tokenizer, bool force,
                                                    const PrepareProgress& progress);

}  // namespace bitmar
