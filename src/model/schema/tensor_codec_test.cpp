#include "model/schema/tensor_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/float16.h"
#include "model/schema/schema_test_support.h"

namespace bitmar {
namespace {

const TensorSpec kTernarySpec{"w.weight", {3, 7}, TensorKind::kTernary};
const TensorSpec kInt8Spec{"e.weight", {2, 3}, TensorKind::kInt8Rows};
const TensorSpec kHalfSpec{"n.weight", {4}, TensorKind::kFloat16};
const TensorSpec kFloatSpec{"p", {2, 2}, TensorKind::kFloat32};

// A file and the decoder over it.
struct Decoded {
  std::vector<std::byte> bytes;
  Result<TensorDecoder> decoder;

  explicit Decoded(const GgufWriter& writer)
      : bytes(writer.serialize()), decoder(TensorDecoder::open(GgufFile::parse(bytes, "m.gguf").value())) {}
};

std::string message(const auto& result) {
  return result ? "no error" : result.error().message;
}

GgufWriter written(const std::function<void(TensorEncoder&)>& encode) {
  GgufWriter writer(kModelArchitecture);
  TensorEncoder encoder(writer);
  encode(encoder);
  encoder.finish();
  return writer;
}

TEST(TensorCodec, RoundTripsEveryKind) {
  Random random(3);
  const auto codes = testing::random_codes(21, random);
  const Int8Matrix matrix = quantize_int8_rows(testing::random_floats(6, random), 2, 3);
  const std::vector<float> halves = {1.0f, -0.333333f, 1e-7f, 65504.0f};
  const std::vector<float> floats = {1.0f, -0.333333f, 1e-30f, 1e30f};
  const Decoded file(written([&](TensorEncoder& encoder) {
    encoder.floats(kHalfSpec, halves);
    encoder.ternary(kTernarySpec, codes, 0.0123f);
    encoder.int8_rows(kInt8Spec, matrix);
    encoder.floats(kFloatSpec, floats);
  }));
  ASSERT_TRUE(file.decoder) << file.decoder.error().message;

  const TernaryMatrix ternary = file.decoder->ternary(kTernarySpec).value();
  EXPECT_EQ(ternary.codes, codes);
  EXPECT_EQ(ternary.rows, 3u);
  EXPECT_EQ(ternary.columns, 7u);
  EXPECT_EQ(ternary.scale, 0.0123f);
  const Int8Matrix rows = file.decoder->int8_rows(kInt8Spec).value();
  EXPECT_EQ(rows.codes, matrix.codes);
  EXPECT_EQ(rows.scales, matrix.scales);
  EXPECT_EQ(file.decoder->floats(kFloatSpec).value(), floats);
  const auto read = file.decoder->floats(kHalfSpec).value();
  for (std::size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(read[i], half_to_float(float_to_half(halves[i])));
  EXPECT_TRUE(file.decoder->check_complete({kTernarySpec, kInt8Spec, kHalfSpec, kFloatSpec}));
}

TEST(TensorCodec, RoundTripsAWholeModel) {
  for (const auto precision : {TowerPrecision::kTernary, TowerPrecision::kInt8, TowerPrecision::kFloat32}) {
    ModelConfig config = testing::tiny_config();
    config.tower->precision = precision;
    const auto bytes = testing::random_model(config, 7);
    const auto decoded = testing::decode_all(GgufFile::parse(bytes, "m.gguf").value());
    EXPECT_TRUE(decoded) << decoded.error().message;
  }
}

TEST(QuantizeInt8Rows, FollowsTheFormulaRowByRow) {
  Random random(5);
  constexpr std::size_t kColumns = 64;
  std::vector<float> weights = testing::random_floats(3 * kColumns, random);
  for (std::size_t i = kColumns; i < 2 * kColumns; ++i) weights[i] *= 1e-9f;  // the scale rounds to 0
  const Int8Matrix matrix = quantize_int8_rows(weights, 3, kColumns);
  for (std::size_t row = 0; row < 3; ++row) {
    float largest = 0.0f;
    for (std::size_t i = 0; i < kColumns; ++i) largest = std::max(largest, std::abs(weights[row * kColumns + i]));
    const float scale = half_to_float(float_to_half(largest / 127.0f));
    EXPECT_EQ(matrix.scales[row], scale);
    for (std::size_t i = row * kColumns; i < (row + 1) * kColumns; ++i) {
      const float expected = scale == 0.0f ? 0.0f : std::clamp(std::nearbyint(weights[i] / scale), -127.0f, 127.0f);
      EXPECT_EQ(matrix.codes[i], expected);
      // The code is off by half a step, and the F16 scale by 2^-11 (so that clipping loses 127 * 2^-11 of a step).
      if (scale > 0.0f) {
        EXPECT_LE(std::abs(expected * scale - weights[i]), scale * (0.5f + 127.0f / 2048.0f));
      }
    }
  }
  EXPECT_EQ(matrix.scales[1], 0.0f);
}

TEST(QuantizeInt8Rows, MarksARowThatIsNotFinite) {
  const Int8Matrix matrix = quantize_int8_rows(std::vector<float>{NAN, 1.0f, 2.0f, 1.0f, INFINITY, 0.0f}, 3, 2);
  EXPECT_TRUE(std::isnan(matrix.scales[0]));
  EXPECT_EQ(matrix.scales[1], half_to_float(float_to_half(2.0f / 127.0f)));
  EXPECT_TRUE(std::isnan(matrix.scales[2]));
}

TEST(TensorDecoder, NamesWhatIsMissingOrOfAnotherShape) {
  const Decoded file(written([](TensorEncoder& encoder) {
    encoder.ternary(kTernarySpec, std::vector<std::int8_t>(21), 1.0f);
    encoder.floats(kFloatSpec, std::vector<float>(4));
  }));
  ASSERT_TRUE(file.decoder);
  EXPECT_EQ(message(file.decoder->floats(kHalfSpec)), "m.gguf: tensor 'n.weight' is missing");
  EXPECT_EQ(message(file.decoder->ternary({"v", {1, 1}, TensorKind::kTernary})),
            "m.gguf: bitmar.ternary.names does not list the tensor 'v'");
  EXPECT_EQ(message(file.decoder->ternary({"w.weight", {7, 3}, TensorKind::kTernary})),
            "m.gguf: tensor 'w.weight' has the logical shape [3, 7]; expected [7, 3]");
  EXPECT_EQ(message(file.decoder->floats({"p", {4}, TensorKind::kFloat32})),
            "m.gguf: tensor 'p' has the shape [2, 2]; expected [4]");
  EXPECT_EQ(message(file.decoder->floats({"p", {2, 2}, TensorKind::kFloat16})),
            "m.gguf: tensor 'p' is F32; expected F16");
  EXPECT_EQ(message(file.decoder->int8_rows({"w.weight", {3, 7}, TensorKind::kInt8Rows})),
            "m.gguf: tensor 'w.weight' has the shape [5]; expected [3, 7]");
}

TEST(TensorDecoder, RefusesValuesThatCannotBe) {
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    const Decoded file(written([&](TensorEncoder& encoder) {
      encoder.floats(kFloatSpec, std::vector<float>{0.0f, 0.0f, value, 0.0f});
      encoder.floats(kHalfSpec, std::vector<float>{0.0f, value, 0.0f, 0.0f});
    }));
    EXPECT_NE(message(file.decoder->floats(kFloatSpec)).find("at index 2; expected finite"), std::string::npos);
    EXPECT_NE(message(file.decoder->floats(kHalfSpec)).find("at index 1; expected finite"), std::string::npos);
  }
  for (const float scale : {0.0f, -1.0f, NAN, INFINITY}) {
    const Decoded file(
        written([&](TensorEncoder& encoder) { encoder.ternary(kTernarySpec, std::vector<std::int8_t>(21), scale); }));
    EXPECT_NE(message(file.decoder).find("bitmar.ternary.scales of tensor 'w.weight'"), std::string::npos) << scale;
  }
  GgufWriter high(kModelArchitecture);
  high.add_tensor("w.weight", GgufType::kI8, {5}, std::vector<std::byte>(5, std::byte{243}));
  high.set("bitmar.ternary.names", std::vector<std::string>{"w.weight"});
  high.set("bitmar.ternary.rows", std::vector<std::uint32_t>{3});
  high.set("bitmar.ternary.columns", std::vector<std::uint32_t>{7});
  high.set("bitmar.ternary.scales", std::vector<float>{1.0f});
  EXPECT_EQ(message(Decoded(high).decoder->ternary(kTernarySpec)),
            "m.gguf: tensor 'w.weight': byte 0 is 243; five ternary values are at most 242");
}

TEST(TensorDecoder, RefusesBadInt8Rows) {
  const auto error_with = [](std::vector<std::int8_t> codes, std::vector<float> scales) {
    const Decoded file(written([&](TensorEncoder& encoder) {
      encoder.int8_rows(kInt8Spec, {std::move(codes), std::move(scales), 2, 3});
    }));
    return message(file.decoder->int8_rows(kInt8Spec));
  };
  EXPECT_EQ(error_with({1, 2, 3, 0, 0, 0}, {0.5f, 0.0f}), "no error");
  EXPECT_NE(error_with({1, 2, 3, 0, 1, 0}, {0.5f, 0.0f}).find("the scale 0 in row 1"), std::string::npos);
  EXPECT_NE(error_with({1, 2, 3, 0, 1, 0}, {-0.5f, 1.0f}).find("the scale -0.5 in row 0"), std::string::npos);
  EXPECT_NE(error_with({1, 2, 3, 0, 1, 0}, {NAN, 1.0f}).find("'e.weight_scale'"), std::string::npos);
  EXPECT_NE(error_with({1, 2, -128, 0, 1, 0}, {1.0f, 1.0f}).find("the code -128"), std::string::npos);
}

TEST(TensorDecoder, RefusesTernaryListsThatDisagree) {
  const auto error_with = [](std::string_view key, GgufValue value) {
    GgufWriter writer = written([](TensorEncoder& encoder) {
      encoder.ternary(kTernarySpec, std::vector<std::int8_t>(21), 1.0f);
      encoder.ternary({"x", {1, 1}, TensorKind::kTernary}, std::vector<std::int8_t>(1), 1.0f);
    });
    writer.set(key, std::move(value));
    return message(Decoded(writer).decoder);
  };
  EXPECT_EQ(error_with("bitmar.ternary.rows", std::vector<std::uint32_t>{3}),
            "m.gguf: key 'bitmar.ternary.rows' has 1 elements, but bitmar.ternary.names has 2");
  EXPECT_EQ(error_with("bitmar.ternary.names", std::vector<std::string>{"x", "x"}),
            "m.gguf: bitmar.ternary.names lists 'x' twice");
  EXPECT_EQ(error_with("bitmar.ternary.columns", std::vector<std::int32_t>{7, 1}),
            "m.gguf: key 'bitmar.ternary.columns' has an unexpected type");
}

TEST(TensorDecoder, CheckCompleteAcceptsTheTableAndTheTokenizerOnly) {
  GgufWriter writer = written([](TensorEncoder& encoder) {
    encoder.ternary(kTernarySpec, std::vector<std::int8_t>(21), 1.0f);
    encoder.int8_rows(kInt8Spec, {std::vector<std::int8_t>(6), {1.0f, 1.0f}, 2, 3});
  });
  writer.add_tensor("tokenizer.merges", GgufType::kI16, {1, 2}, std::vector<std::byte>(4));
  EXPECT_EQ(message(Decoded(writer).decoder->check_complete({kTernarySpec, kInt8Spec})), "no error");
  EXPECT_EQ(message(Decoded(writer).decoder->check_complete({kTernarySpec})),
            "m.gguf: tensor 'e.weight' is not part of this model");
  const TensorSpec float_spec{"w.weight", {5}, TensorKind::kFloat32};
  EXPECT_EQ(message(Decoded(writer).decoder->check_complete({float_spec, kInt8Spec})),
            "m.gguf: bitmar.ternary.names lists 'w.weight', which is no ternary tensor of this model");
}

}  // namespace
}  // namespace bitmar
