// BitMar's side of the comparisons in this folder: stays loaded, and times what standard input asks for, so that a
// script can alternate with a peer. Greedy, with the photo as image and the memory read-only.
//
//   peer_timer model MODEL.gguf PHOTO THREADS      or      peer_timer tower TOWER.gguf PHOTO THREADS
//
// Answers each line with one line: first "ready ISA", then microseconds, or "error MESSAGE".
//   prefill N   a new context reads N tokens
//   decode N    N tokens are generated after a caption prompt, which is not timed
//   encode      the tower encodes the photo, which is decoded and resized already (tower only)
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/generator.h"
#include "runtime/image_encoder.h"
#include "runtime/session.h"
#include "runtime/tower_file.h"

namespace bitmar::bench {
namespace {

constexpr std::string_view kCaptionPrompt = "A photo of";
constexpr std::size_t kMaximumCount = 1 << 16;

// Seconds that a command took, which is a name and its count (0: none given).
using Timer = std::function<Result<double>(std::string_view name, std::size_t count)>;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Result<std::size_t> parse_count(std::string_view what, std::string_view text) {
  std::size_t count = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (status != std::errc() || end != text.data() + text.size() || count == 0 || count > kMaximumCount) {
    return fail(ErrorCode::kInvalidArgument, "{}: count is '{}'; expected 1 to {}", what, text, kMaximumCount);
  }
  return count;
}

// Ids spread over the vocabulary, the same as the peers read.
std::vector<TokenId> spread_tokens(std::size_t count, std::size_t vocabulary) {
  std::vector<TokenId> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<TokenId>((i * 7919 + 13) % vocabulary);
  return ids;
}

Result<double> time_prefill(Session& session, std::size_t count) {
  const auto ids = spread_tokens(count, session.engine().config().vocabulary);
  session.reset();
  const auto start = Clock::now();
  BITMAR_TRY_VOID(session.prefill(ids));
  return seconds_since(start);
}

Result<double> time_decode(Session& session, std::size_t count) {
  session.reset();
  BITMAR_TRY(const Generation result,
             generate(session, kCaptionPrompt, {.sampler = {}, .maximum_tokens = count, .stop_at_end = false}));
  return result.generation_seconds;
}

Result<double> answer(const std::string& line, const Timer& timer) {
  const std::string_view text = line;
  const std::size_t space = text.find(' ');
  const std::string_view name = text.substr(0, space);
  if (space == std::string_view::npos) return timer(name, 0);
  BITMAR_TRY(const std::size_t count, parse_count(name, text.substr(space + 1)));
  return timer(name, count);
}

// Until standard input ends.
void serve(const Kernels& kernels, const Timer& timer) {
  fmt::print("ready {}\n", kernels.name);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (const auto seconds = answer(line, timer)) {
      fmt::print("{:.3f}\n", *seconds * 1e6);
    } else {
      fmt::print("error {}\n", seconds.error().message);
    }
    std::fflush(stdout);
  }
}

Result<void> serve_model(const std::string& path, const Image& photo, std::size_t threads) {
  BITMAR_TRY(const auto engine, Engine::open(path));
  BITMAR_TRY(Session session, Session::open(engine, {.memory = MemoryMode::kReadOnly, .threads = threads}));
  BITMAR_TRY_VOID(session.set_image(photo));
  serve(engine->kernels(), [&](std::string_view name, std::size_t count) -> Result<double> {
    if (name == "prefill" && count > 0) return time_prefill(session, count);
    if (name == "decode" && count > 0) return time_decode(session, count);
    return fail(ErrorCode::kInvalidArgument, "'{}': expected 'prefill N' or 'decode N'", name);
  });
  return {};
}

Result<void> serve_tower(const std::string& path, const Image& photo, std::size_t threads) {
  BITMAR_TRY(const Kernels* kernels, default_kernels());
  BITMAR_TRY(const VisionTower tower, load_tower_file(path, *kernels));
  const VisionTowerConfig& config = tower.config();
  const std::vector<float> pixels = tower_input(photo, config);
  std::vector<float> features(std::size_t{config.patches()} * config.feature_width());
  VisionWorkspace workspace(tower);
  ThreadPool pool(threads);
  serve(*kernels, [&](std::string_view name, std::size_t) -> Result<double> {
    if (name != "encode") return fail(ErrorCode::kInvalidArgument, "'{}': expected 'encode'", name);
    const auto start = Clock::now();
    tower.encode(pixels, {features, config.patches(), config.feature_width()}, workspace, &pool);
    return seconds_since(start);
  });
  return {};
}

Result<void> run(std::string_view kind, const std::string& path, const std::string& photo_path,
                 std::string_view threads_text) {
  BITMAR_TRY(const std::size_t threads, parse_count("threads", threads_text));
  BITMAR_TRY(const Image photo, load_image(photo_path));
  if (kind == "model") return serve_model(path, photo, threads);
  if (kind == "tower") return serve_tower(path, photo, threads);
  return fail(ErrorCode::kInvalidArgument, "'{}': expected 'model' or 'tower'", kind);
}

}  // namespace
}  // namespace bitmar::bench

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: peer_timer model|tower FILE.gguf PHOTO THREADS\n");
    return 2;
  }
  if (const auto done = bitmar::bench::run(argv[1], argv[2], argv[3], argv[4]); !done) {
    fmt::print(stderr, "peer_timer: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
