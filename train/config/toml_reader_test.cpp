#include "config/toml_reader.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TomlDocument parse(std::string_view text, const std::vector<std::string>& overrides = {}) {
  auto document = TomlDocument::parse(text, "a.toml", overrides);
  EXPECT_TRUE(document) << document.error().message;
  return *std::move(document);
}

std::string finish(const TomlDocument& document, const std::vector<std::string>& ignored = {}) {
  const auto status = document.finish(ignored);
  return status ? "" : status.error().message;
}

TEST(TomlReader, ReadsEveryTypeAndKeepsDefaults) {
  const TomlDocument document = parse(R"(
flag = true
count = 7
rate = 2
name = "x"
words = ["a", "b"]
[inner]
rate = 0.5
[[list]]
n = 1
[[list]]
n = 2
)");
  TomlReader root = document.root();
  bool flag = false;
  std::uint32_t count = 0;
  std::uint64_t absent = 9;
  double rate = 0;
  float inner_rate = 0;
  std::string name;
  std::vector<std::string> words;
  root.read("flag", flag);
  root.read("count", count);
  root.read("absent", absent);
  root.read("rate", rate);
  root.read("name", name);
  root.read("words", words);
  root.table("inner").read("rate", inner_rate);
  TomlReader missing = root.table("missing");
  EXPECT_FALSE(missing.present());
  missing.read("rate", rate);
  std::vector<std::uint64_t> numbers;
  for (TomlReader entry : root.tables("list")) entry.read("n", numbers.emplace_back());
  EXPECT_EQ(finish(document), "");
  EXPECT_TRUE(flag);
  EXPECT_EQ(count, 7u);
  EXPECT_EQ(absent, 9u);
  EXPECT_EQ(rate, 2.0);
  EXPECT_EQ(inner_rate, 0.5f);
  EXPECT_EQ(name, "x");
  EXPECT_THAT(words, ElementsAre("a", "b"));
  EXPECT_THAT(numbers, ElementsAre(1u, 2u));
}

TEST(TomlReader, UnknownKeysNameFileLineAndPath) {
  const TomlDocument document = parse("a = 1\n\n[t]\nb = 2\nz = 3\n\n[[l]]\nq = 4\n");
  std::uint64_t value = 0;
  TomlReader root = document.root();
  root.read("a", value);
  EXPECT_EQ(finish(document, {"l"}), "a.toml:3: key 't' is unknown");
  root.table("t").read("b", value);
  EXPECT_EQ(finish(document), "a.toml:5: key 't.z' is unknown");
  root.table("t").read("z", value);
  EXPECT_EQ(finish(document, {"l"}), "");
  (void)root.tables("l");
  EXPECT_EQ(finish(document), "a.toml:8: key 'l.0.q' is unknown");
}

TEST(TomlReader, WrongTypesAndRangesAreErrors) {
  const auto message = [](std::string_view text, auto value) {
    const TomlDocument document = parse(text);
    document.root().read("k", value);
    return finish(document);
  };
  EXPECT_EQ(message("k = 1", false), "a.toml:1: key 'k': expected true or false");
  EXPECT_THAT(message("k = -1", std::uint64_t{0}), HasSubstr("not negative"));
  EXPECT_THAT(message("k = 1.5", std::uint32_t{0}), HasSubstr("whole number"));
  EXPECT_THAT(message("k = 4294967296", std::uint32_t{0}), HasSubstr("2^32"));
  EXPECT_THAT(message("k = 'x'", 0.0), HasSubstr("expected a number"));
  EXPECT_THAT(message("k = 3", std::string()), HasSubstr("a string"));
  EXPECT_THAT(message("k = ['a', 1]", std::vector<std::string>()), HasSubstr("array of strings"));
}

TEST(TomlReader, TheFirstErrorStays) {
  const TomlDocument document = parse("a = 'x'\nb = 'y'\n[t]\n");
  double value = 3;
  TomlReader root = document.root();
  root.read("b", value);
  root.read("a", value);
  root.table("t").require("c");
  EXPECT_TRUE(root.failed());
  EXPECT_EQ(value, 3);
  EXPECT_EQ(finish(document), "a.toml:2: key 'b': expected a number");
}

TEST(TomlReader, RequiredKeysAndWords) {
  const TomlDocument document = parse("[t]\nw = 'up'\n");
  TomlReader table = document.root().table("t");
  const auto parse_word = [](const std::string& word) -> Result<int> {
    if (word == "down") return -1;
    return fail(ErrorCode::kInvalidArgument, "'{}' is not down", word);
  };
  int value = 5;
  table.read_word("none", value, parse_word);
  EXPECT_FALSE(table.failed());
  table.read_word("w", value, parse_word);
  EXPECT_EQ(value, 5);
  EXPECT_EQ(finish(document), "a.toml:2: key 't.w': 'up' is not down");
  const TomlDocument other = parse("\n[t]\nw = 'up'\n");
  other.root().table("t").require("v");
  EXPECT_EQ(finish(other), "a.toml:2: key 't.v': is missing");
}

TEST(TomlReader, OverridesReplaceAndCreate) {
  const TomlDocument document =
      parse("a = 1\n[t]\nb = 2\n[[l]]\nc = 'x'\n", {"a=5", "t.b = 2.5", "u.v=word/with-dash", "l.0.c=[\"y\"]"});
  std::uint64_t a = 0;
  double b = 0;
  std::string v;
  std::vector<std::string> c;
  TomlReader root = document.root();
  root.read("a", a);
  root.table("t").read("b", b);
  root.table("u").read("v", v);
  root.tables("l").at(0).read("c", c);
  EXPECT_EQ(finish(document), "");
  EXPECT_EQ(a, 5u);
  EXPECT_EQ(b, 2.5);
  EXPECT_EQ(v, "word/with-dash");
  EXPECT_THAT(c, ElementsAre("y"));
  // The text that a checkpoint keeps reads the same.
  const TomlDocument again = parse(document.text());
  again.root().read("a", a);
  EXPECT_EQ(a, 5u);
  for (const char* bad : {"novalue", "=1", "a.b=1", "l.7.c=1", "t.=1"}) {
    EXPECT_FALSE(TomlDocument::parse("a = 1\n[t]\n[[l]]\n", "a.toml", {bad})) << bad;
  }
}

TEST(TomlReader, ErrorsAtAPathNameTheNearestLine) {
  const auto message = [](std::string_view path, const std::vector<std::string>& overrides = {}) {
    const TomlDocument document = parse("[t]\na = 1\n[[t.list]]\nb = 2\n[[t.list]]\nb = 3\n", overrides);
    document.root().table("t").fail_at(path, "is wrong");
    return finish(document);
  };
  EXPECT_EQ(message("a"), "a.toml:2: key 't.a': is wrong");
  EXPECT_EQ(message("list.1.b"), "a.toml:6: key 't.list.1.b': is wrong");
  EXPECT_EQ(message("list.1.c"), "a.toml:5: key 't.list.1.c': is wrong");
  EXPECT_EQ(message("list.2.b"), "a.toml:3: key 't.list.2.b': is wrong");
  EXPECT_EQ(message("c"), "a.toml:1: key 't.c': is wrong");
  EXPECT_EQ(message("a", {"t.a=5"}), "a.toml: key 't.a': is wrong");
}

TEST(TomlReader, SyntaxErrorsNameTheLine) {
  const auto document = TomlDocument::parse("a = 1\nb = = 2\n", "a.toml", {});
  ASSERT_FALSE(document);
  EXPECT_THAT(document.error().message, ::testing::StartsWith("a.toml:2: "));
  EXPECT_EQ(TomlDocument::load("no/such.toml", {}).error().code, ErrorCode::kNotFound);
}

class TomlBase : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_ / "below"); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) / "bitmar_toml_base";
};

TEST_F(TomlBase, AFileSaysOnlyWhatDiffers) {
  write("below/first.toml", "[train]\nsteps = 10\nseed = 3\n[[list]]\nn = 1\n[[list]]\nn = 2\n");
  write("below/second.toml", "base = \"first.toml\"\n[train]\nrate = 0.5\n");
  const std::string path =
      write("top.toml", "base = \"below/second.toml\"\n[train]\nsteps = 20\n[[list]]\nn = 7\n[other]\nx = 1\n");
  const auto document = TomlDocument::load(path, {"train.seed=4"});
  ASSERT_TRUE(document) << document.error().message;
  const auto check = [](const TomlDocument& read) {
    TomlReader root = read.root();
    TomlReader train = root.table("train");
    std::uint64_t steps = 0, seed = 0, x = 0;
    double rate = 0;
    train.read("steps", steps);
    train.read("seed", seed);
    train.read("rate", rate);
    root.table("other").read("x", x);
    std::vector<std::uint64_t> numbers;
    for (TomlReader entry : root.tables("list")) entry.read("n", numbers.emplace_back());
    EXPECT_EQ(finish(read), "");
    EXPECT_EQ(steps, 20u);
    EXPECT_EQ(seed, 4u);
    EXPECT_EQ(rate, 0.5);
    EXPECT_EQ(x, 1u);
    EXPECT_THAT(numbers, ElementsAre(7u));
  };
  check(*document);
  check(parse(document->text()));  // what a checkpoint keeps needs no other file
}

TEST_F(TomlBase, ErrorsNameTheFileThatIsWrong) {
  write("first.toml", "[train]\n\nsteps = \"many\"\n");
  const auto document = TomlDocument::load(write("top.toml", "base = \"first.toml\"\n"), {});
  ASSERT_TRUE(document) << document.error().message;
  TomlReader root = document->root();
  std::uint64_t steps = 0;
  root.table("train").read("steps", steps);
  EXPECT_THAT(finish(*document), HasSubstr("first.toml:3: key 'train.steps'"));

  const auto replaced = TomlDocument::load(write("top.toml", "base = \"first.toml\"\n[train]\nsteps = \"few\"\n"), {});
  ASSERT_TRUE(replaced) << replaced.error().message;
  replaced->root().table("train").read("steps", steps);
  EXPECT_THAT(finish(*replaced), HasSubstr("top.toml:3: key 'train.steps'"));

  const auto missing = TomlDocument::load(write("lost.toml", "base = \"none.toml\"\n"), {});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("lost.toml: key 'base'"));
  EXPECT_THAT(missing.error().message, HasSubstr("none.toml"));
  const auto endless = TomlDocument::load(write("round.toml", "base = \"round.toml\"\n"), {});
  ASSERT_FALSE(endless);
  EXPECT_THAT(endless.error().message, HasSubstr("go on for ever"));
  write("broken.toml", "a = \n");
  const auto broken = TomlDocument::load(write("upper.toml", "base = \"broken.toml\"\n"), {});
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("broken.toml:1"));
}

}  // namespace
}  // namespace bitmar
