// The little of the protobuf wire format that event files need: encoding fields, and skipping through a message.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bitmar::protobuf {

class Message {
 public:
  Message& number(std::uint32_t field, std::uint64_t value) {
    tag(field, 0);
    varint(value);
    return *this;
  }
  Message& real(std::uint32_t field, double value) {
    tag(field, 1);
    fixed(std::bit_cast<std::uint64_t>(value), 8);
    return *this;
  }
  Message& single(std::uint32_t field, float value) {
    tag(field, 5);
    fixed(std::bit_cast<std::uint32_t>(value), 4);
    return *this;
  }
  Message& bytes(std::uint32_t field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    text_ += value;
    return *this;
  }
  Message& message(std::uint32_t field, const Message& value) { return bytes(field, value.text_); }
  Message& packed(std::uint32_t field, std::span<const double> values) {
    tag(field, 2);
    varint(values.size() * sizeof(double));
    for (const double value : values) fixed(std::bit_cast<std::uint64_t>(value), 8);
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void tag(std::uint32_t field, std::uint32_t wire_type) { varint((field << 3) | wire_type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>((value & 0x7F) | 0x80);
    text_ += static_cast<char>(value);
  }
  void fixed(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) text_ += static_cast<char>((value >> (8 * i)) & 0xFF);
  }
  std::string text_;
};

// The value of the varint field `wanted` of a message: 0 where it is absent, nothing where the message is malformed.
[[nodiscard]] inline std::optional<std::uint64_t> find_number(std::string_view message, std::uint32_t wanted) {
  const auto varint = [&message]() -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(message.front());
      message.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  };
  std::uint64_t found = 0;
  while (!message.empty()) {
    const auto tag = varint();
    if (!tag) return std::nullopt;
    std::uint64_t skip = 0;
    if ((*tag & 7) == 0) {
      const auto value = varint();
      if (!value) return std::nullopt;
      if (*tag >> 3 == wanted) found = *value;
    } else if ((*tag & 7) == 2) {
      const auto length = varint();
      if (!length) return std::nullopt;
      skip = *length;
    } else if ((*tag & 7) == 1 || (*tag & 7) == 5) {
      skip = (*tag & 7) == 1 ? 8 : 4;
    } else {
      return std::nullopt;
    }
    if (skip > message.size()) return std::nullopt;
    message.remove_prefix(skip);
  }
  return found;
}

}  // namespace bitmar::protobuf
