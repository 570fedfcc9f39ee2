// bitmar memory write and edit: a photo, words, or both become an episode.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "memory_commands.h"
#include "runtime/caption.h"

namespace bitmar::cli {
namespace {

struct WriteOptions : MemoryOptions {
  std::vector<std::string> photos;
  std::string text;
};

struct EditOptions : MemoryOptions {
  std::uint64_t id = 0;
  std::string text;
  std::string image;
};

// What an episode is made of: at least one of both.
struct Source {
  std::string photo;  // path, "-" for standard input; empty: none
  std::string words;  // empty: the model's own caption
};

// Reads a photo, words or both in a new context, as training reads a segment.
Result<Provenance> read_source(Session& session, const Source& source) {
  if (source.photo.empty()) {
    session.clear_image();
  } else {
    BITMAR_TRY(const Image image, load_photo(source.photo));
    BITMAR_TRY_VOID(session.set_image(image));
  }
  const std::string name = source.photo == "-" ? "standard input" : source.photo;
  if (source.words.empty()) {
    BITMAR_TRY(Caption own, caption(session));
    return Provenance{std::move(own.text), name, current_time()};
  }
  const Tokenizer& tokenizer = session.engine().tokenizer();
  std::vector<TokenId> tokens{tokenizer.end_of_text()};
  tokenizer.encode_append(source.words, tokens);
  session.reset();
  BITMAR_TRY_VOID(session.prefill(tokens));
  return Provenance{source.words, name, current_time()};
}

Result<Session> open_writing_session(const OpenMemory& open, const MemoryOptions& options) {
  return Session::open(open.engine, {.memory = MemoryMode::kReadWrite, .threads = options.model.threads});
}

void print_written(const Memory& memory, std::uint64_t id, bool json) {
  const Episode& episode = *memory.find(id);
  if (json) {
    print_json(to_json(episode));
  } else {
    fmt::print("{}\n       slots {}\n", describe(episode), describe_slots(episode));
  }
}

// Saved before it is printed.
Result<void> write_one(const OpenMemory& open, Session& session, const Source& source, bool json) {
  BITMAR_TRY(const FileLock lock, open.file.lock());
  BITMAR_TRY(Memory memory, open.file.load_or_empty());
  BITMAR_TRY_VOID(session.set_memory(std::move(memory)));
  BITMAR_TRY(Provenance provenance, read_source(session, source));
  BITMAR_TRY(const std::uint64_t id, session.write_episode(std::move(provenance)));
  BITMAR_TRY(const Memory* written, session.memory());
  BITMAR_TRY_VOID(open.file.save(*written));
  print_written(*written, id, json);
  return {};
}

Result<void> write(const WriteOptions& options) {
  std::vector<Source> sources;
  if (!options.photos.empty()) {
    BITMAR_TRY(const std::vector<Photo> photos, list_photos("memory write", options.photos));
    for (const Photo& photo : photos) sources.push_back({photo.path, options.text});
  } else if (!options.text.empty()) {
    sources.push_back({{}, options.text});
  } else {
    return fail(ErrorCode::kInvalidArgument, "memory write: expected a photo, --text WORDS, or both");
  }
  if (sources.size() > 1 && !options.text.empty()) {
    return fail(ErrorCode::kInvalidArgument, "memory write: --text goes with one photo; {} were given", sources.size());
  }
  BITMAR_TRY(const OpenMemory open, open_memory_file(options));
  BITMAR_TRY(Session session, open_writing_session(open, options));
  std::size_t failed = 0;
  for (const Source& source : sources) {
    const auto written = write_one(open, session, source, options.json);
    if (written) continue;
    if (sources.size() == 1) return written;
    fmt::print(stderr, "bitmar: {}\n", written.error().message);
    ++failed;
  }
  if (failed > 0) {
    return fail(ErrorCode::kInvalidFile, "memory write: {} of {} photos could not be written", failed, sources.size());
  }
  return {};
}

// The photo that an edited episode is made of: the new one, else the one that it came from, read again.
Result<Provenance> read_edited(Session& session, const Episode& before, const EditOptions& options) {
  if (!options.image.empty() || before.provenance.source.empty()) {
    return read_source(session, {options.image, options.text});
  }
  auto read = read_source(session, {before.provenance.source, options.text});
  if (!read) {
    return fail(read.error().code,
                "memory edit: episode {} came from a photo that cannot be read again ({}): give it by "
                "--image PHOTO",
                before.id, read.error().message);
  }
  return read;
}

Result<void> edit(const EditOptions& options) {
  if (options.text.empty() && options.image.empty()) {
    return fail(ErrorCode::kInvalidArgument, "memory edit: expected --text WORDS, --image PHOTO, or both");
  }
  BITMAR_TRY(const OpenMemory open, open_memory_file(options));
  BITMAR_TRY(Session session, open_writing_session(open, options));
  BITMAR_TRY(const FileLock lock, open.file.lock());
  BITMAR_TRY(Memory memory, open.file.load());
  BITMAR_TRY_VOID(session.set_memory(std::move(memory)));
  BITMAR_TRY(Memory * edited, session.writable_memory());
  const Episode* before = edited->find(options.id);
  if (before == nullptr) return fail(ErrorCode::kNotFound, "{}: no episode {}", open.file.path(), options.id);
  BITMAR_TRY(Provenance provenance, read_edited(session, *before, options));
  BITMAR_TRY_VOID(edited->edit(options.id, session.episode_query(), std::move(provenance)));
  BITMAR_TRY_VOID(open.file.save(*edited));
  print_written(*edited, options.id, options.json);
  return {};
}

}  // namespace

void add_memory_write_command(CLI::App& memory, CommandAction& action) {
  auto options = std::make_shared<WriteOptions>();
  CLI::App* command = memory.add_subcommand("write", "Remember photos, words, or a photo with words");
  add_memory_file_options(*command, *options);
  command->add_option("photos", options->photos,
                      "photos (JPEG, PNG, WebP), folders of photos, or - for standard input; each becomes an episode");
  command->add_option("--text", options->text, "words for the photo (default: the model's own caption), or alone");
  command->footer(
      "Prints each episode's id and the slots that it went to; with --json one object a line.\n"
      "Examples:\n"
      "  bitmar memory write dog.jpg --text \"Our dog Rex at the lake\"\n"
      "  bitmar memory write holiday/\n"
      "  bitmar memory write --text \"Rex is our dog\"");
  command->callback([options, &action] { action = [options] { return write(*options); }; });
}

void add_memory_edit_command(CLI::App& memory, CommandAction& action) {
  auto options = std::make_shared<EditOptions>();
  CLI::App* command = memory.add_subcommand("edit", "Replace what an episode wrote, at its place in the order");
  add_memory_file_options(*command, *options);
  command->add_option("id", options->id, "the episode, as list shows it")->required();
  command->add_option("--text", options->text,
                      "new words; the photo that the episode came from is read again unless --image is given");
  command->add_option("--image", options->image, "a new photo; without --text the model captions it");
  command->footer(
      "Examples:\n"
      "  bitmar memory edit 3 --text \"Our dog Max at the lake\"\n"
      "  bitmar memory edit 3 --image better.jpg");
  command->callback([options, &action] { action = [options] { return edit(*options); }; });
}

}  // namespace bitmar::cli
