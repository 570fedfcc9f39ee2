// BitMar for C++23, over the C API: handles that free themselves, errors as values, no exceptions of its own.
//
//   auto engine = bitmar::Engine::open("bitmar-14m.gguf");
//   if (!engine) return print(engine.error().message);
//   auto session = bitmar::Session::open(*engine).value();
//   if (auto set = session.set_image_file("photo.jpg"); !set) return print(set.error().message);
//   std::cout << session.caption().value().text() << '\n';
//
// Threads, lifetimes, units and errors are bitmar.h's, and so are the option structs:
//
//   auto options = bitmar_generate_options_default();
//   options.temperature = 0.8f;
//   session.generate("Once upon a time", options, [](std::string_view piece) { std::cout << piece; return true; });
#ifndef BITMAR_BITMAR_HPP
#define BITMAR_BITMAR_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bitmar/bitmar.h"

namespace bitmar {
// The library has classes of the same names inside, which a program that links it statically must not mix up with
// these: as an inline namespace, this one gives them other symbols.
inline namespace api {

struct Error {
  bitmar_status status;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

namespace detail {

template <auto Free>
struct Deleter {
  template <typename Handle>
  void operator()(Handle* handle) const {
    Free(handle);
  }
};

template <typename Handle, auto Free>
using Owned = std::unique_ptr<Handle, Deleter<Free>>;

// call(&error) as a Result.
template <typename Call>
Result<void> attempt(const Call& call) {
  bitmar_error error;
  if (call(&error) == BITMAR_OK) return {};
  return std::unexpected(Error{error.status, error.message});
}

// call(&handle, &error) as a Result of what owns the handle.
template <typename Owner, typename Handle, typename Call>
Result<Owner> create(const Call& call) {
  Handle* handle = nullptr;
  const auto status = attempt([&](bitmar_error* error) { return call(&handle, error); });
  if (!status) return std::unexpected(status.error());
  return Owner(handle);
}

}  // namespace detail

class Caption {
 public:
  [[nodiscard]] std::string_view text() const {
    std::size_t size = 0;
    const char* text = bitmar_caption_text(handle_.get(), &size);
    return {text, size};
  }
  [[nodiscard]] std::span<const std::uint32_t> ids() const {
    std::size_t count = 0;
    const std::uint32_t* ids = bitmar_caption_ids(handle_.get(), &count);
    return {ids, count};
  }
  [[nodiscard]] double log_probability() const { return bitmar_caption_log_probability(handle_.get()); }
  explicit Caption(bitmar_caption* handle) : handle_(handle) {}  // takes it over

 private:
  detail::Owned<bitmar_caption, bitmar_caption_free> handle_;
};

class Generation {
 public:
  [[nodiscard]] std::string_view text() const {
    std::size_t size = 0;
    const char* text = bitmar_generation_text(handle_.get(), &size);
    return {text, size};
  }
  [[nodiscard]] std::span<const std::uint32_t> ids() const {
    std::size_t count = 0;
    const std::uint32_t* ids = bitmar_generation_ids(handle_.get(), &count);
    return {ids, count};
  }
  [[nodiscard]] bitmar_stop_reason stop_reason() const { return bitmar_generation_stop_reason(handle_.get()); }
  [[nodiscard]] std::size_t prompt_tokens() const { return bitmar_generation_prompt_tokens(handle_.get()); }
  [[nodiscard]] double prompt_seconds() const { return bitmar_generation_prompt_seconds(handle_.get()); }
  [[nodiscard]] double seconds() const { return bitmar_generation_seconds(handle_.get()); }
  explicit Generation(bitmar_generation* handle) : handle_(handle) {}  // takes it over

 private:
  detail::Owned<bitmar_generation, bitmar_generation_free> handle_;
};

// Where an episode came from.
struct Provenance {
  std::string text;
  std::string source;
  std::string time;  // ISO 8601; empty when written: now
};

struct Episode {
  std::uint64_t id = 0;
  Provenance provenance;
};

// A model, loaded. Constant: threads share it.
class Engine {
 public:
  static Result<Engine> open(const std::string& path,
                             const bitmar_engine_options& options = bitmar_engine_options_default()) {
    return detail::create<Engine, bitmar_engine>([&](bitmar_engine** engine, bitmar_error* error) {
      return bitmar_engine_open(path.c_str(), &options, engine, error);
    });
  }
  static Result<Engine> open_bytes(std::span<const std::byte> bytes, const std::string& name = "model",
                                   const bitmar_engine_options& options = bitmar_engine_options_default()) {
    return detail::create<Engine, bitmar_engine>([&](bitmar_engine** engine, bitmar_error* error) {
      return bitmar_engine_open_bytes(bytes.data(), bytes.size(), name.c_str(), &options, engine, error);
    });
  }

  [[nodiscard]] std::uint32_t vocabulary_size() const { return bitmar_engine_vocabulary_size(get()); }
  [[nodiscard]] std::uint32_t end_of_text() const { return bitmar_engine_end_of_text(get()); }
  [[nodiscard]] std::size_t vision_width() const { return bitmar_engine_vision_width(get()); }
  [[nodiscard]] bool has_vision_tower() const { return bitmar_engine_has_vision_tower(get()); }
  [[nodiscard]] std::size_t memory_slots() const { return bitmar_engine_memory_slots(get()); }
  [[nodiscard]] std::size_t memory_bytes() const { return bitmar_engine_memory_bytes(get()); }

  [[nodiscard]] Result<std::vector<std::uint32_t>> tokenize(std::string_view text) const {
    std::vector<std::uint32_t> ids(text.size());  // no byte makes more than one
    std::size_t count = 0;
    const auto status = detail::attempt([&](bitmar_error* error) {
      return bitmar_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count, error);
    });
    if (!status) return std::unexpected(status.error());
    ids.resize(count);
    return ids;
  }
  [[nodiscard]] Result<std::string> detokenize(std::span<const std::uint32_t> ids) const {
    std::string text;
    for (int pass = 0; pass < 2; ++pass) {  // the size, then the bytes
      std::size_t size = 0;
      const auto status = detail::attempt([&](bitmar_error* error) {
        return bitmar_detokenize(get(), ids.data(), ids.size(), pass == 0 ? nullptr : text.data(), text.size(), &size,
                                 error);
      });
      if (!status) return std::unexpected(status.error());
      text.resize(size);
    }
    return text;
  }

  [[nodiscard]] bitmar_engine* get() const { return handle_.get(); }
  explicit Engine(bitmar_engine* handle) : handle_(handle) {}  // takes it over

 private:
  detail::Owned<bitmar_engine, bitmar_engine_free> handle_;
};

// One user's context, image and memory; for one thread at a time. It may outlive its engine.
class Session {
 public:
  static Result<Session> open(const Engine& engine,
                              const bitmar_session_options& options = bitmar_session_options_default()) {
    return detail::create<Session, bitmar_session>([&](bitmar_session** session, bitmar_error* error) {
      return bitmar_session_open(engine.get(), &options, session, error);
    });
  }

  void reset() { bitmar_session_reset(get()); }
  [[nodiscard]] std::uint64_t position() const { return bitmar_session_position(get()); }
  [[nodiscard]] std::size_t memory_bytes() const { return bitmar_session_memory_bytes(get()); }

  Result<void> set_image_bytes(std::span<const std::byte> file) {
    return detail::attempt(
        [&](bitmar_error* error) { return bitmar_session_set_image_bytes(get(), file.data(), file.size(), error); });
  }
  Result<void> set_image_file(const std::string& path) {
    return detail::attempt(
        [&](bitmar_error* error) { return bitmar_session_set_image_file(get(), path.c_str(), error); });
  }
  // `pixels` holds `height` rows of 3 * width bytes.
  Result<void> set_image_rgb(std::span<const std::uint8_t> pixels, std::uint32_t width, std::uint32_t height) {
    if (pixels.size() / 3 != std::size_t{width} * height || pixels.size() % 3 != 0) {
      return std::unexpected(Error{BITMAR_ERROR_INVALID_ARGUMENT, "pixels holds " + std::to_string(pixels.size()) +
                                                                      " bytes; expected 3 * width * height"});
    }
    return detail::attempt([&](bitmar_error* error) {
      return bitmar_session_set_image_rgb(get(), pixels.data(), width, height, 0, error);
    });
  }
  // features: [patches, width], width the engine's vision_width().
  Result<void> set_features(std::span<const float> features, std::size_t width) {
    if (width == 0 || features.size() % width != 0) {
      return std::unexpected(
          Error{BITMAR_ERROR_INVALID_ARGUMENT,
                std::to_string(features.size()) + " features are no rows of " + std::to_string(width)});
    }
    return detail::attempt([&](bitmar_error* error) {
      return bitmar_session_set_features(get(), features.data(), features.size() / width, width, error);
    });
  }
  void clear_image() { bitmar_session_clear_image(get()); }
  [[nodiscard]] bool has_image() const { return bitmar_session_has_image(get()); }

  // The logits [vocabulary] after the last token, valid until the next call.
  Result<std::span<const float>> prefill(std::span<const std::uint32_t> ids) {
    const float* logits = nullptr;
    const auto status = detail::attempt(
        [&](bitmar_error* error) { return bitmar_session_prefill(get(), ids.data(), ids.size(), &logits, error); });
    if (!status) return std::unexpected(status.error());
    return std::span(logits, bitmar_session_vocabulary_size(get()));
  }
  Result<std::span<const float>> step(std::uint32_t id) { return prefill({&id, 1}); }
  // Of ids[context_count], ids[context_count + 1], ...
  Result<std::vector<bitmar_token_score>> score(std::span<const std::uint32_t> ids, std::size_t context_count) {
    std::vector<bitmar_token_score> scores(ids.size() - std::min(context_count, ids.size()));
    const auto status = detail::attempt([&](bitmar_error* error) {
      return bitmar_session_score(get(), ids.data(), ids.size(), context_count, scores.data(), error);
    });
    if (!status) return std::unexpected(status.error());
    return scores;
  }

  Result<Caption> caption(const bitmar_caption_options& options = bitmar_caption_options_default()) {
    return detail::create<Caption, bitmar_caption>([&](bitmar_caption** caption, bitmar_error* error) {
      return bitmar_session_caption(get(), &options, caption, error);
    });
  }

  // Called with each piece of text; returns whether to go on. What it throws, generate() throws.
  using TextCallback = std::function<bool(std::string_view piece)>;
  Result<Generation> generate(const std::string& prompt,
                              const bitmar_generate_options& options = bitmar_generate_options_default(),
                              const TextCallback& callback = {}) {
    Listener listener{&callback, nullptr};
    auto generation = detail::create<Generation, bitmar_generation>([&](bitmar_generation** made, bitmar_error* error) {
      return bitmar_session_generate(get(), prompt.c_str(), &options, callback ? &Listener::hear : nullptr, &listener,
                                     made, error);
    });
    if (listener.thrown) std::rethrow_exception(listener.thrown);
    return generation;
  }

  // Returns the episode's id.
  Result<std::uint64_t> write_episode(const Provenance& provenance) {
    std::uint64_t id = 0;
    const auto status = detail::attempt([&](bitmar_error* error) {
      return bitmar_memory_write(get(), provenance.text.c_str(), provenance.source.c_str(),
                                 provenance.time.empty() ? nullptr : provenance.time.c_str(), &id, error);
    });
    if (!status) return std::unexpected(status.error());
    return id;
  }
  Result<void> forget_episode(std::uint64_t id) {
    return detail::attempt([&](bitmar_error* error) { return bitmar_memory_forget(get(), id, error); });
  }
  Result<void> save_memory(const std::string& path) {
    return detail::attempt([&](bitmar_error* error) { return bitmar_memory_save(get(), path.c_str(), error); });
  }
  Result<void> load_memory(const std::string& path) {
    return detail::attempt([&](bitmar_error* error) { return bitmar_memory_load(get(), path.c_str(), error); });
  }
  // Oldest first.
  Result<std::vector<Episode>> episodes() {
    using List = detail::Owned<bitmar_episodes, bitmar_episodes_free>;
    const auto list = detail::create<List, bitmar_episodes>(
        [&](bitmar_episodes** episodes, bitmar_error* error) { return bitmar_memory_list(get(), episodes, error); });
    if (!list) return std::unexpected(list.error());
    std::vector<Episode> episodes;
    for (std::size_t i = 0; i < bitmar_episodes_count(list->get()); ++i) {
      episodes.push_back({bitmar_episodes_id(list->get(), i),
                          {bitmar_episodes_text(list->get(), i), bitmar_episodes_source(list->get(), i),
                           bitmar_episodes_time(list->get(), i)}});
    }
    return episodes;
  }

  [[nodiscard]] bitmar_session* get() const { return handle_.get(); }
  explicit Session(bitmar_session* handle) : handle_(handle) {}  // takes it over

 private:
  // Carries an exception of the callback around the library.
  struct Listener {
    const TextCallback* callback;
    std::exception_ptr thrown;
    static bool hear(const char* piece, std::size_t size, void* self) {
      auto& listener = *static_cast<Listener*>(self);
      try {
        return (*listener.callback)({piece, size});
      } catch (...) {
        listener.thrown = std::current_exception();
        return false;
      }
    }
  };

  detail::Owned<bitmar_session, bitmar_session_free> handle_;
};

// Several sessions of one engine advanced together, each with the bits that it has alone; for one thread at a time.
class Batch {
 public:
  struct Request {
    Session* session = nullptr;
    std::span<const std::uint32_t> ids;
  };

  static Result<Batch> open(const Engine& engine,
                            const bitmar_batch_options& options = bitmar_batch_options_default()) {
    return detail::create<Batch, bitmar_batch>([&](bitmar_batch** batch, bitmar_error* error) {
      return bitmar_batch_open(engine.get(), &options, batch, error);
    });
  }

  // The logits [requests, vocabulary] after each one's last token, row by row, valid until the next call.
  Result<std::span<const float>> prefill(std::span<const Request> requests) {
    requests_.clear();
    for (const Request& request : requests) {
      requests_.push_back(
          {request.session == nullptr ? nullptr : request.session->get(), request.ids.data(), request.ids.size()});
    }
    const float* logits = nullptr;
    const auto status = detail::attempt([&](bitmar_error* error) {
      return bitmar_batch_prefill(get(), requests_.data(), requests_.size(), &logits, error);
    });
    if (!status) return std::unexpected(status.error());
    return std::span(logits, requests.size() * bitmar_batch_vocabulary_size(get()));
  }
  // One token for each session, as many of one as of the other.
  Result<std::span<const float>> step(std::span<Session* const> sessions, std::span<const std::uint32_t> ids) {
    if (sessions.size() != ids.size()) {
      return std::unexpected(Error{BITMAR_ERROR_INVALID_ARGUMENT, std::to_string(ids.size()) + " ids for " +
                                                                      std::to_string(sessions.size()) + " sessions"});
    }
    single_.clear();
    for (std::size_t i = 0; i < sessions.size(); ++i) single_.push_back({sessions[i], ids.subspan(i, 1)});
    return prefill(single_);
  }

  [[nodiscard]] bitmar_batch* get() const { return handle_.get(); }
  explicit Batch(bitmar_batch* handle) : handle_(handle) {}  // takes it over

 private:
  detail::Owned<bitmar_batch, bitmar_batch_free> handle_;
  std::vector<bitmar_batch_request> requests_;  // of a call
  std::vector<Request> single_;                 // of a step
};

}  // namespace api
}  // namespace bitmar

#endif
