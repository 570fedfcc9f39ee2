#include "io/npy_header.h"

#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <utility>

namespace bitmar {
namespace {

constexpr std::size_t kNumpyDimensions = 32;  // at most
constexpr std::size_t kAlignment = 64;

constexpr std::array<std::pair<std::string_view, DataType>, 11> kTypes = {{{"<f2", DataType::kF16},
                                                                           {"<f4", DataType::kF32},
                                                                           {"<f8", DataType::kF64},
                                                                           {"|i1", DataType::kI8},
                                                                           {"|u1", DataType::kU8},
                                                                           {"<i2", DataType::kI16},
                                                                           {"<u2", DataType::kU16},
                                                                           {"<i4", DataType::kI32},
                                                                           {"<u4", DataType::kU32},
                                                                           {"<i8", DataType::kI64},
                                                                           {"<u8", DataType::kU64}}};

// A cursor over the dict literal; every failure is the same error, with the place.
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }
  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  bool accept(std::string_view token) {
    skip_space();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }
  Result<void> expect(std::string_view token) {
    if (accept(token)) return {};
    return bad(fmt::format("'{}'", token));
  }
  Result<std::string_view> quoted() {
    skip_space();
    const char quote = at_end() ? '\0' : text_[position_];
    if (quote != '\'' && quote != '"') return bad("a quoted string");
    const auto end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) return bad("a closing quote");
    const auto content = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return content;
  }
  Result<std::uint64_t> integer() {
    skip_space();
    std::uint64_t value = 0;
    const char* const begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{}) return bad("a dimension below 2^64");
    position_ += static_cast<std::size_t>(end - begin);
    return value;
  }
  [[nodiscard]] std::unexpected<Error> bad(std::string_view expected) const {
    return fail(ErrorCode::kInvalidFile, "{}: the .npy header needs {} at its byte {}", name_, expected, position_);
  }

 private:
  std::string_view text_;
  const std::string& name_;
  std::size_t position_ = 0;
};

Result<DataType> parse_type(Scanner& scanner, const std::string& name) {
  if (scanner.accept("[")) {
    return fail(ErrorCode::kUnsupported, "{}: a structured dtype; expected a plain number type", name);
  }
  BITMAR_TRY(const auto descriptor, scanner.quoted());
  for (const auto& [text, type] : kTypes) {
    if (text == descriptor) return type;
  }
  if (descriptor.starts_with('>')) {
    return fail(ErrorCode::kUnsupported, "{}: dtype is big-endian; expected little-endian", name);
  }
  if (descriptor == "|O") return fail(ErrorCode::kUnsupported, "{}: dtype is Python objects, which are refused", name);
  return fail(ErrorCode::kUnsupported, "{}: the dtype is neither a float nor an integer type", name);
}

Result<std::vector<std::uint64_t>> parse_shape(Scanner& scanner) {
  std::vector<std::uint64_t> shape;
  BITMAR_TRY_VOID(scanner.expect("("));
  while (!scanner.accept(")")) {
    if (shape.size() == kNumpyDimensions) return scanner.bad("at most 32 dimensions");
    BITMAR_TRY(const auto extent, scanner.integer());
    shape.push_back(extent);
    if (scanner.accept(",")) continue;
    if (shape.size() < 2) return scanner.bad("a tuple (with a comma after its only dimension)");
    BITMAR_TRY_VOID(scanner.expect(")"));
    break;
  }
  return shape;
}

}  // namespace

Result<NpyHeader> parse_npy_header(std::string_view text, const std::string& name) {
  Scanner scanner(text, name);
  std::optional<DataType> type;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<bool> fortran;
  BITMAR_TRY_VOID(scanner.expect("{"));
  while (!scanner.accept("}")) {
    BITMAR_TRY(const auto key, scanner.quoted());
    BITMAR_TRY_VOID(scanner.expect(":"));
    if (key == "descr" && !type) {
      BITMAR_TRY(type, parse_type(scanner, name));
    } else if (key == "shape" && !shape) {
      BITMAR_TRY(shape, parse_shape(scanner));
    } else if (key == "fortran_order" && !fortran) {
      fortran = scanner.accept("True");
      if (!*fortran) BITMAR_TRY_VOID(scanner.expect("False"));
    } else {
      return scanner.bad("each of the keys descr, fortran_order and shape once");
    }
    if (scanner.accept(",")) continue;
    BITMAR_TRY_VOID(scanner.expect("}"));
    break;
  }
  scanner.skip_space();
  if (!scanner.at_end()) return scanner.bad("only spaces after the dict");
  if (!type || !shape || !fortran) return scanner.bad("each of the keys descr, fortran_order and shape once");
  if (*fortran && shape->size() > 1) {
    return fail(ErrorCode::kUnsupported, "{}: the array is in Fortran order; expected C order", name);
  }
  return NpyHeader{*type, *std::move(shape)};
}

std::string format_npy_header(const NpyHeader& header) {
  std::string_view descriptor;
  for (const auto& [text, type] : kTypes) {
    if (type == header.type) descriptor = text;
  }
  const char* const comma = header.shape.size() == 1 ? "," : "";
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descriptor,
                                 fmt::join(header.shape, ", "), comma);
  constexpr std::size_t kPreamble = 10;  // magic, version, length
  const std::size_t total = (kPreamble + dict.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  dict.resize(total - kPreamble - 1, ' ');
  dict.push_back('\n');
  std::string bytes = "\x93NUMPY";
  bytes.push_back('\1');
  bytes.push_back('\0');
  bytes.push_back(static_cast<char>(dict.size() & 0xFF));
  bytes.push_back(static_cast<char>(dict.size() >> 8));
  return bytes + dict;
}

}  // namespace bitmar
