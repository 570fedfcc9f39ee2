// The geometry of the figures: ticks, scales, paths, colours.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "eval/report/axis.h"
#include "eval/report/chart_frame.h"
#include "eval/report/heat_map.h"
#include "eval/report/line_chart.h"
#include "image/image.h"

namespace bitmar::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> texts;
  for (const Tick& tick : axis.ticks()) texts.push_back(tick.label);
  return texts;
}

TEST(AxisTest, LinearTicksAreRound) {
  const Axis steps = Axis::linear({0, 15500}, {40, 390}, 5, Ends::kAsGiven);
  EXPECT_THAT(labels(steps), ElementsAre("0", "5 k", "10 k", "15 k"));
  EXPECT_DOUBLE_EQ(steps.place(0), 40);
  EXPECT_DOUBLE_EQ(steps.place(7750), 215);
  EXPECT_DOUBLE_EQ(steps.place(15500), 390);
  // Widened to whole ticks; y points down.
  const Axis loss = Axis::linear({2.3, 9.1}, {200, 0}, 5, Ends::kRound);
  EXPECT_THAT(labels(loss), ElementsAre("2", "4", "6", "8", "10"));
  EXPECT_DOUBLE_EQ(loss.place(2), 200);
  EXPECT_DOUBLE_EQ(loss.place(10), 0);
  EXPECT_THAT(labels(Axis::linear({-0.3, 4.1}, {0, 1}, 5, Ends::kRound)),
              ElementsAre("-1", "0", "1", "2", "3", "4", "5"));
  EXPECT_THAT(labels(Axis::linear({0, 0.002}, {0, 1}, 4, Ends::kRound)),
              ElementsAre("0", "0.0005", "0.0010", "0.0015", "0.0020"));
  EXPECT_THAT(labels(Axis::linear({0, 2e-6}, {0, 1}, 2, Ends::kRound)), ElementsAre("0", "1e-6", "2e-6"));
  EXPECT_THAT(labels(Axis::linear({0, 3e6}, {0, 1}, 3, Ends::kRound)), ElementsAre("0", "1 M", "2 M", "3 M"));
}

TEST(AxisTest, OneValueIsInTheMiddle) {
  for (const double value : {0.0, 3.0, -2.0}) {
    EXPECT_DOUBLE_EQ(Axis::linear({value, value}, {0, 100}, 5, Ends::kAsGiven).place(value), 50) << value;
  }
  EXPECT_NEAR(Axis::logarithmic({5, 5}, {0, 100}, 5).place(5), 50, 1e-9);
}

TEST(AxisTest, LogarithmicTicks) {
  const Axis axis = Axis::logarithmic({10, 1000}, {0, 100}, 5);
  EXPECT_THAT(labels(axis), ElementsAre("10", "20", "50", "100", "200", "500", "1000"));
  EXPECT_NEAR(axis.place(100), 50, 1e-9);
  EXPECT_NEAR(axis.place(100) - axis.place(10), axis.place(1000) - axis.place(100), 1e-9);
  EXPECT_THAT(labels(Axis::logarithmic({1e-3, 1e5}, {0, 100}, 5)), ElementsAre("0.01", "1", "100", "10 k"));
  // Within less than a power of ten.
  EXPECT_THAT(labels(Axis::logarithmic({31, 39}, {0, 100}, 4)), ElementsAre("32", "34", "36", "38"));
}

TEST(AxisTest, TicksOfAnyRangeAreFewInsideAndRising) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    const double size = std::pow(10.0, random.uniform() * 18 - 9);
    const double low = (random.uniform() - 0.5) * size;
    const Range data{low, low + size * (random.uniform() + 1e-3)};
    const Axis axis = Axis::linear(data, {0, 100}, 5, Ends::kRound);
    ASSERT_GE(axis.ticks().size(), 2u) << low << " " << data.high;
    ASSERT_LE(axis.ticks().size(), 9u) << low << " " << data.high;
    EXPECT_LE(axis.range().low, data.low + 1e-6 * size);
    EXPECT_GE(axis.range().high, data.high - 1e-6 * size);
    for (std::size_t i = 1; i < axis.ticks().size(); ++i) {
      EXPECT_GT(axis.ticks()[i].value, axis.ticks()[i - 1].value);
      EXPECT_NE(axis.ticks()[i].label, axis.ticks()[i - 1].label) << axis.ticks()[i].value;
    }
  }
}

TEST(SeriesTest, SmoothingKeepsSlopesAndGaps) {
  Series slope;
  for (int i = 0; i < 20; ++i) slope.push_back({double(i), 2.0 * i});
  const Series smoothed = smooth(slope, 4);
  for (std::size_t i = 0; i < slope.size(); ++i) EXPECT_NEAR(smoothed[i].y, slope[i].y, 1e-12) << i;
  slope.back().y += 10.0;  // stands out at the end, where the eight before it also count
  EXPECT_LT(smooth(slope, 4).back().y, slope.back().y - 5.0);
  const Series parts = smooth(Series{{0, 1}, {1, 1}, {2, 1}, {3, kNaN}, {4, 9}, {5, 0}, {6, 0}}, 2);
  EXPECT_EQ(parts[2].y, 1.0);  // nothing from beyond the gap
  EXPECT_TRUE(parts[3].is_gap());
  EXPECT_DOUBLE_EQ(parts[4].y, 7.5);  // on the line through 9, 0 and 0
  EXPECT_DOUBLE_EQ(parts[5].y, 3.0);
  EXPECT_EQ(smooth(Series{{0, kNaN}, {1, 7}}, 2)[1].y, 7.0);
}

TEST(SeriesTest, ThinningAverages) {
  Series points;
  for (int i = 0; i < 1000; ++i) points.push_back({double(i), double(i % 2)});
  points[500].y = kNaN;
  const Series thinned = thin(points, 100);
  EXPECT_LE(thinned.size(), 104u);
  std::size_t gaps = 0;
  for (const Point& point : thinned) {
    if (point.is_gap()) {
      ++gaps;
      EXPECT_EQ(point.x, 500);
    }
  }
  EXPECT_EQ(gaps, 1u);
  EXPECT_DOUBLE_EQ(thinned[0].x, 4.5);
  EXPECT_DOUBLE_EQ(thinned[0].y, 0.5);
  EXPECT_EQ(thin(points, 2000).size(), 1000u);
}

TEST(SeriesTest, NumbersToRead) {
  EXPECT_EQ(format_value(15500), "15,500");
  EXPECT_EQ(format_value(-1234567), "-1,234,567");
  EXPECT_EQ(format_value(36.789), "36.79");
  EXPECT_EQ(format_value(1234.5), "1,234");
  EXPECT_EQ(format_value(0.25), "0.250");
  EXPECT_EQ(format_value(0.0021), "0.0021");
  EXPECT_EQ(format_value(kNaN), "not finite");
}

TEST(LineChartTest, PathHasGapsAndDots) {
  EXPECT_EQ(path_data(Series{{0, 1}, {1.26, 2}, {2, kNaN}, {3, 4}, {4, kNaN}, {5, 6}, {7, 8.04}}),
            "M0 1L1.3 2M3 4h0M5 6L7 8");
  EXPECT_EQ(path_data(Series{{0, kNaN}}), "");
  EXPECT_EQ(path_data(Series{{2, 3}}), "M2 3h0");
}

TEST(LineChartTest, PointsStandWhereTheAxesSay) {
  LineChart chart{
      .x_label = "steps", .y_label = "loss", .lines = {{.name = "a", .points = {{0, 10}, {50, kNaN}, {100, 0}}}}};
  const std::string drawn = draw(chart).elements;
  // From the left end at the top to the right end at the bottom, with a gap between: two dots.
  EXPECT_THAT(drawn, HasSubstr("d=\"M23.2 24h0M386 214h0\""));
  EXPECT_THAT(drawn, HasSubstr("<title>a: 0</title>"));
  EXPECT_EQ(describe(chart), "loss over steps. a: 10 at steps 0, 0 at 100.");
  // A logarithmic axis has no place for zero.
  chart.logarithmic = true;
  EXPECT_TRUE(has_points(chart));
  EXPECT_THAT(draw(chart).elements, Not(HasSubstr("nan")));
  chart.lines[0].points = {{0, 0}, {1, kNaN}};
  EXPECT_FALSE(has_points(chart));
}

TEST(LineChartTest, EverythingStaysInsideTheFigure) {
  LineChart chart{.x_label = "steps", .y_label = "loss", .stages = {{0, "first"}, {90, "a stage with a long name"}}};
  for (int i = 0; i < 12; ++i) {
    chart.lines.push_back(
        {.name = "a rather long name " + std::to_string(i), .points = {{0, 1.0 * i}, {100, 2.0 * i}}});
  }
  const Drawing drawing = draw(chart);
  EXPECT_EQ(drawing.width, kFigureWidth);
  EXPECT_GT(drawing.height, 250 + 5 * 18);  // two names in a row
}

struct Mark {
  double x = 0, y = 0;
  std::string text = {};
};

// The texts of the group of stages, by their middles.
std::vector<Mark> stage_numbers(const std::string& elements) {
  const std::string group = elements.substr(elements.find("<g class=\"stages\">"));
  const std::string inside = group.substr(0, group.find("</g>"));
  std::vector<Mark> marks;
  for (std::size_t begin = inside.find("<text"); begin != std::string::npos; begin = inside.find("<text", begin + 1)) {
    Mark mark;
    char text[32] = {};
    constexpr const char* kForm = "<text x=\"%lf\" y=\"%lf\" font-size=\"11\" text-anchor=\"middle\">%31[^<]";
    if (std::sscanf(inside.c_str() + begin, kForm, &mark.x, &mark.y, text) != 3) continue;
    mark.text = text;
    marks.push_back(mark);
  }
  return marks;
}

TEST(LineChartTest, StagesAreNumberedAboveThePlotEachInItsOwn) {
  const std::vector<double> begins = {0, 1500, 3900, 5200, 7100};
  const double end = 7900;
  LineChart chart{.x_label = "steps", .y_label = "loss", .lines = {{.name = "a", .points = {{0, 10}, {end, 0}}}}};
  const double plain = draw(chart).height;
  for (const double begin : begins) chart.stages.push_back({begin, "bitmar-14m-long-name-" + coordinate(begin)});
  const Drawing drawing = draw(chart);
  // The line goes from the plot's upper left corner to its lower right.
  const double left = 23.2, right = 386, top = 39;
  ASSERT_THAT(drawing.elements, HasSubstr("d=\"M23.2 39L386 229\""));
  const std::vector<Mark> numbers = stage_numbers(drawing.elements);
  ASSERT_EQ(numbers.size(), begins.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(numbers[i].text, std::to_string(i + 1));
    EXPECT_LT(numbers[i].y, top);
    EXPECT_GT(numbers[i].y - kSmallText, kTopMargin - 11);  // below the label of the y axis
    const double half = text_width(numbers[i].text, kSmallText) / 2;
    EXPECT_GT(numbers[i].x - half, left + begins[i] / end * (right - left));
    EXPECT_LT(numbers[i].x + half, left + (i + 1 < begins.size() ? begins[i + 1] : end) / end * (right - left));
  }
  // The names stand once, in the legend.
  EXPECT_THAT(drawing.elements, HasSubstr(">5 bitmar-14m-long-name-7100<"));
  EXPECT_GT(drawing.height, plain + 2 * 16);
}

TEST(LineChartTest, AStageTooShortForItsNumberHasNone) {
  LineChart chart{.x_label = "steps",
                  .y_label = "loss",
                  .lines = {{.name = "a", .points = {{0, 10}, {1000, 0}}}},
                  .stages = {{0, "first"}, {500, "brief"}, {505, "last"}, {2000, "not on this axis"}}};
  const std::string drawn = draw(chart).elements;
  const std::vector<Mark> numbers = stage_numbers(drawn);
  ASSERT_EQ(numbers.size(), 2u);
  EXPECT_EQ(numbers[0].text + numbers[1].text, "13");
  EXPECT_THAT(drawn, HasSubstr(">2 brief<"));
  EXPECT_THAT(drawn, Not(HasSubstr("not on this axis")));
}

HeatMap small_map() {
  return {.x_label = "steps",
          .y_label = "slot",
          .value_label = "usage",
          .column_edges = {0, 1, 4},
          .columns = {{0.0, 0.5}, {1.0, kNaN}},
          .limits = {0, 1}};
}

TEST(HeatMapTest, PixelsShowTheCells) {
  const HeatMap map = small_map();
  const auto pixels = heat_map_pixels(map, 8, 2);
  const auto pixel = [&](std::size_t x, std::size_t y) {
    const std::uint8_t* const p = &pixels[(y * 8 + x) * 4];
    return std::pair(Colour{p[0], p[1], p[2]}, int{p[3]});
  };
  // Slot 0 is at the bottom; the first column has a quarter of the width.
  for (const std::size_t x : {0u, 1u}) EXPECT_EQ(pixel(x, 1), std::pair(heat_colour(0), 255));
  for (const std::size_t x : {2u, 7u}) EXPECT_EQ(pixel(x, 1), std::pair(heat_colour(1), 255));
  EXPECT_EQ(pixel(0, 0), std::pair(heat_colour(0.5), 255));
  EXPECT_EQ(pixel(2, 0).second, 0);  // no value
}

TEST(HeatMapTest, NamedRowsStandFromTheTop) {
  HeatMap map = small_map();
  map.row_names = {"first", "second"};
  const auto pixels = heat_map_pixels(map, 8, 2);
  EXPECT_EQ((Colour{pixels[0], pixels[1], pixels[2]}), heat_colour(0));
}

TEST(HeatMapTest, ColoursRiseInLightness) {
  double last = -1;
  for (int i = 0; i <= 50; ++i) {
    const Colour colour = heat_colour(i / 50.0);
    const double lightness = 0.2126 * colour.red + 0.7152 * colour.green + 0.0722 * colour.blue;
    EXPECT_GT(lightness, last) << i;
    last = lightness;
  }
  EXPECT_EQ(heat_colour(-1), heat_colour(0));
  EXPECT_EQ(heat_colour(2), (Colour{253, 231, 37}));
}

TEST(HeatMapTest, SharesOfTheScale) {
  HeatMap map{.limits = {0.1, 10}, .logarithmic = true};
  EXPECT_NEAR(heat_share(map, 1), 0.5, 1e-12);
  EXPECT_EQ(heat_share(map, 0), 0.0);
  EXPECT_EQ(heat_share(map, 100), 1.0);
  EXPECT_TRUE(std::isnan(heat_share(map, kNaN)));
  map = {.limits = {2, 2}};
  EXPECT_EQ(heat_share(map, 2), 0.5);
}

TEST(HeatMapTest, EdgesLieBetweenTheSteps) {
  EXPECT_THAT(edges_between(std::vector<double>{10, 20, 40}), ElementsAre(5, 15, 30, 50));
  EXPECT_THAT(edges_between(std::vector<double>{10}), ElementsAre(5, 15));
}

TEST(HeatMapTest, ThePictureIsAPngOfThePixels) {
  const auto drawing = draw(small_map());
  ASSERT_TRUE(drawing) << drawing.error().message;
  const std::string mark = "data:image/png;base64,";
  ASSERT_THAT(drawing->elements, HasSubstr(mark));
  EXPECT_THAT(drawing->elements, HasSubstr(">usage</text>"));
  EXPECT_THAT(drawing->elements, Not(HasSubstr("nan")));
}

TEST(SvgTest, MarkupIsEscaped) {
  EXPECT_EQ(escape("a<b & \"c\"\x01"), "a&lt;b &amp; &quot;c&quot;");
  EXPECT_EQ(escape("\xC3\xA9"), "\xC3\xA9");
  EXPECT_EQ(escape("\xC3("), "?(");
  EXPECT_EQ(character_count("\xC3\xA9t\xC3\xA9"), 3u);
}

TEST(SvgTest, ShortenedTextFits) {
  EXPECT_EQ(shortened("stage", 100, 10), "stage");
  EXPECT_EQ(shortened("a long name", 40, 10), "a lon…");
  EXPECT_EQ(shortened("ééééééééé", 40, 10), "ééééé…");
  EXPECT_EQ(shortened("stage", 0, 10), "…");
}

TEST(SvgTest, Base64) {  // RFC 4648, section 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(SvgTest, InlinePicturesNameNoNetwork) {
  const Drawing drawing{10, 20, "<g/>"};
  EXPECT_THAT(inline_svg(drawing, "id", "A title", "What is seen"), Not(HasSubstr("http")));
  EXPECT_THAT(inline_svg(drawing, "id", "A title", "What is seen"),
              HasSubstr("aria-labelledby=\"id-title id-description\""));
  EXPECT_THAT(svg_file(drawing, "id", "A title", "What is seen"), HasSubstr("xmlns="));
}

}  // namespace
}  // namespace bitmar::report
