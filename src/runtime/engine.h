// A model, loaded: weights, tokenizer, the memory it ships with and its vision tower. Immutable, shared between
// threads; each user of it opens a Session (runtime/session.h). The engine reads embedding rows from the mapped file as
// long as it lives: replace a model file by renaming another over it, never by writing into it.
//
//   BITMAR_TRY(const std::shared_ptr<const Engine> engine, Engine::open("bitmar-14m.gguf"));
//   BITMAR_TRY(Session session, Session::open(engine));
//   BITMAR_TRY_VOID(session.set_image(photo));
//   BITMAR_TRY(const Caption result, caption(session));              // runtime/caption.h
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/gguf.h"
#include "kernels/kernels.h"
#include "model/episodic_memory.h"
#include "model/vision_tower.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace bitmar {

struct EngineOptions {
  // A tower file (`bitmar convert`) for a model that has none, or instead of its own; its width must be the model's
  // vision_width.
  std::string tower_path;
  // Name of the kernels' instruction set; empty: what BITMAR_ISA names, else the fastest here.
  std::string isa;
  // Tokens that the attention window holds, instead of the file's number; 0: the file's.
  std::uint32_t window_tokens = 0;
};

class Engine {
 public:
  // Maps and loads a model file. Errors name the file and the key or tensor.
  static Result<std::shared_ptr<const Engine>> open(const std::string& path, const EngineOptions& options = {});
  // The same from bytes; `name` stands in errors.
  static Result<std::shared_ptr<const Engine>> parse(std::vector<std::byte> bytes, const std::string& name,
                                                     const EngineOptions& options = {});

  [[nodiscard]] const std::string& name() const { return file_.name(); }
  [[nodiscard]] const ModelConfig& config() const { return model_.config; }
  [[nodiscard]] const Kernels& kernels() const { return *model_.kernels; }
  [[nodiscard]] const BitmarModel& model() const { return model_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] const VisionTower* tower() const { return tower_ ? &*tower_ : nullptr; }        // null: none
  [[nodiscard]] const EpisodicMemory* memory() const { return memory_ ? &*memory_ : nullptr; }  // null: none
  // SHA-256 of the file, which binds a memory snapshot to its model. The first call reads the whole file.
  [[nodiscard]] const std::string& content_hash() const;
  // Bytes that weights, tower and memory take in memory.
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  Engine(std::vector<std::byte> bytes, GgufFile file, BitmarModel model, Tokenizer tokenizer)
      : bytes_(std::move(bytes)), file_(std::move(file)), model_(std::move(model)), tokenizer_(std::move(tokenizer)) {}
  // bytes: what `file` is parsed from where it is not mapped.
  static Result<std::shared_ptr<const Engine>> load(const GgufFile& file, std::vector<std::byte> bytes,
                                                    const EngineOptions& options);

  std::vector<std::byte> bytes_;
  GgufFile file_;
  BitmarModel model_;
  Tokenizer tokenizer_;
  std::optional<VisionTower> tower_;
  std::optional<EpisodicMemory> memory_;
  mutable std::once_flag hashed_;
  mutable std::string content_hash_;
};

// The tokenizer that a model file carries: tensor `tokenizer.merges`, I16 [merges, 2], bit patterns of unsigned ids.
[[nodiscard]] Result<Tokenizer> read_tokenizer(const GgufFile& file);

}  // namespace bitmar
