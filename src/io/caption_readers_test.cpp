#include "io/caption_readers.h"

#include <gmock/gmock.h>

#include "io/test_support.h"

namespace bitmar {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class CaptionReaders : public ::testing::Test {
 protected:
  std::string write(std::string_view text) const {
    testing::write_file(folder_.file("captions.txt"), text);
    return folder_.file("captions.txt");
  }
  Result<std::vector<CaptionGroup>> read(std::string_view text, CaptionFormat format) const {
    return read_captions(write(text), format);
  }

 private:
  const testing::TemporaryFolder folder_;
};

TEST_F(CaptionReaders, GroupsByImageInOrderOfAppearance) {
  const auto groups = read("b.jpg\t0\tone .\na.jpg\t0\ttwo\r\n\nb.jpg\t1\tthree\n", CaptionFormat::kTsv);
  ASSERT_TRUE(groups);
  EXPECT_THAT(*groups, ElementsAre(CaptionGroup{"b.jpg", {"one .", "three"}}, CaptionGroup{"a.jpg", {"two"}}));
}

TEST_F(CaptionReaders, ReadsEveryFormat) {
  const CaptionGroup expected{"a.jpg", {"A dog.", "A cat."}};
  const std::string coco = R"({"images":[{"id":7,"file_name":"a.jpg"}],
    "annotations":[{"image_id":7,"id":1,"caption":"A dog."},{"image_id":7,"id":2,"caption":"A cat."}]})";
  const std::vector<std::pair<std::string, CaptionFormat>> cases = {
      {"\xEF\xBB\xBF"
       "a.jpg#0\tA dog.\na.jpg#1\tA cat.",
       CaptionFormat::kFlickrToken},
      {"a.jpg\t0\tA dog.\na.jpg\t1\tA cat.\n", CaptionFormat::kTsv},
      {coco, CaptionFormat::kCoco},
      {"A dog.\ta.jpg\nA cat.\ta.jpg\n", CaptionFormat::kConceptualCaptions},
      {"{\"image_id\":\"a.jpg\",\"caption\":\"A dog.\"}\n{\"image_id\":\"a.jpg\",\"caption\":\"A cat.\"}\n",
       CaptionFormat::kLocalizedNarratives},
      {"{\"image\":\"a.jpg\",\"caption\":\"A dog.\"}\n{\"image\":\"a.jpg\",\"caption\":\"A cat.\"}\n",
       CaptionFormat::kJsonLines},
  };
  for (const auto& [text, format] : cases) {
    const auto groups = read(text, format);
    ASSERT_TRUE(groups) << groups.error().message;
    EXPECT_THAT(*groups, ElementsAre(expected)) << text;
  }
}

TEST_F(CaptionReaders, JsonLinesWithoutImageAreTheirOwn) {
  const auto groups = read("{\"caption\":\"x\"}\n{\"caption\":\"y\"}\n", CaptionFormat::kJsonLines);
  ASSERT_TRUE(groups);
  EXPECT_EQ(groups->size(), 2u);
}

TEST_F(CaptionReaders, MalformedRecordsNameFileAndLine) {
  const std::vector<std::pair<std::string, CaptionFormat>> cases = {
      {"a.jpg#0\tok\na.jpg\tno number", CaptionFormat::kFlickrToken},
      {"a.jpg\t0\tok\na.jpg\tno index", CaptionFormat::kTsv},
      {"a.jpg\t0\tok\n\t1\tno name", CaptionFormat::kTsv},
      {"ok\turl\nno url", CaptionFormat::kConceptualCaptions},
      {"{\"image_id\":\"a\",\"caption\":\"x\"}\n{\"image_id\":\"a\"}", CaptionFormat::kLocalizedNarratives},
      {"{\"caption\":\"x\"}\n{\"caption\":", CaptionFormat::kJsonLines},
  };
  for (const auto& [text, format] : cases) {
    const auto groups = read(text, format);
    ASSERT_FALSE(groups) << text;
    EXPECT_EQ(groups.error().code, ErrorCode::kInvalidFile);
    EXPECT_THAT(groups.error().message, HasSubstr("captions.txt:2: "));
  }
}

TEST_F(CaptionReaders, CocoErrorsNameTheEntry) {
  const auto unknown = read(R"({"images":[],"annotations":[{"image_id":3,"caption":"x"}]})", CaptionFormat::kCoco);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, EndsWith("annotations[0]: image_id 3 is not among the images"));
  EXPECT_FALSE(read("[]", CaptionFormat::kCoco));
  EXPECT_FALSE(read(R"({"images":[1],"annotations":[]})", CaptionFormat::kCoco));
}

TEST_F(CaptionReaders, QuestionsStandBeforeTheirAnswers) {
  const auto groups =
      read(R"([["what color is it?", "red", 12], ["is it red?", "yes", 0], ["shape?", "circle", 12]])",
           CaptionFormat::kEasyVqa);
  ASSERT_TRUE(groups) << groups.error().message;
  EXPECT_THAT(*groups, ElementsAre(CaptionGroup{"12.png", {"Question: what color is it? Answer: red",
                                                           "Question: shape? Answer: circle"}},
                                   CaptionGroup{"0.png", {"Question: is it red? Answer: yes"}}));
  for (const char* wrong : {R"([["a", "b", 1], ["a", "b"]])", R"([["a", "b", 1], ["a", "b", -1]])"}) {
    const auto refused = read(wrong, CaptionFormat::kEasyVqa);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("captions.txt: entry 1: expected"));
  }
  EXPECT_FALSE(read("{}", CaptionFormat::kEasyVqa));
}

TEST_F(CaptionReaders, FormatNamesAndNameLists) {
  EXPECT_EQ(parse_caption_format("cc3m").value(), CaptionFormat::kConceptualCaptions);
  EXPECT_FALSE(parse_caption_format("csv"));
  EXPECT_THAT(read_name_list(write("a.jpg\r\n\n b.jpg \n")).value(), ElementsAre("a.jpg", "b.jpg"));
}

}  // namespace
}  // namespace bitmar
