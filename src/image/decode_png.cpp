#include <csetjmp>
#include <cstring>
#include <vector>

#include <png.h>

#include "image/decoders.h"

namespace bitmar::image_detail {
namespace {

// libpng reports errors by calling our handler, which jumps to the step that called libpng. No object with a
// destructor may live between the two, so the steps below hold plain data only.
class PngDecoder {
 public:
  explicit PngDecoder(std::span<const std::byte> bytes) : bytes_(bytes) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &header_, &trailer_); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  [[nodiscard]] bool read_header() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ == nullptr) return false;
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    header_ = png_create_info_struct(png_);
    trailer_ = png_create_info_struct(png_);
    if (header_ == nullptr || trailer_ == nullptr) return false;
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // allocate_image checks the size with our message
    // Text may be compressed a thousandfold and is not needed.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kTextChunks, kTextChunkCount);
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, header_);
    return true;
  }

  // Decodes to [height, width, 3] bytes, or for 16-bit grey to [height, width] big-endian words.
  [[nodiscard]] bool read_pixels(std::uint8_t* const* rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    if (!is_wide_grey()) {
      png_set_strip_16(png_);  // keeps the high byte
      png_set_packing(png_);
      png_set_strip_alpha(png_);
      const int colour = png_get_color_type(png_, header_);
      if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
      if (colour == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, header_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
      if ((colour & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, header_);
    if (png_get_rowbytes(png_, header_) != row_bytes()) png_error(png_, "unexpected row size");
    png_read_image(png_, const_cast<png_bytepp>(rows));
    png_read_end(png_, trailer_);
    return true;
  }

  [[nodiscard]] Orientation orientation() {
    for (const png_infop info : {header_, trailer_}) {
      png_uint_32 size = 0;
      png_bytep exif = nullptr;
      if (png_get_eXIf_1(png_, info, &size, &exif) != 0) return read_orientation(std::as_bytes(std::span(exif, size)));
    }
    return Orientation::kUpright;
  }

  [[nodiscard]] std::uint32_t width() const { return png_get_image_width(png_, header_); }
  [[nodiscard]] std::uint32_t height() const { return png_get_image_height(png_, header_); }
  [[nodiscard]] std::size_t row_bytes() const { return std::size_t{width()} * (is_wide_grey() ? 2 : 3); }
  // Pillow keeps 16 bits for grey without alpha only; every other 16-bit kind it reduces to the high byte.
  [[nodiscard]] bool is_wide_grey() const {
    return png_get_bit_depth(png_, header_) == 16 && png_get_color_type(png_, header_) == PNG_COLOR_TYPE_GRAY;
  }
  [[nodiscard]] std::unexpected<Error> error() const {
    if (truncated_) return fail(ErrorCode::kInvalidFile, "the PNG is truncated");
    return fail(ErrorCode::kInvalidFile, "not a valid PNG: {}", message_);
  }

 private:
  static constexpr png_byte kTextChunks[] = "tEXt\0zTXt\0iTXt";  // five bytes each
  static constexpr int kTextChunkCount = 3;

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self.message_, message, sizeof(self.message_) - 1);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep destination, std::size_t count) {
    auto& self = *static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (count > self.bytes_.size()) {
      self.truncated_ = true;
      png_error(png, "truncated");
    }
    std::memcpy(destination, self.bytes_.data(), count);
    self.bytes_ = self.bytes_.subspan(count);
  }

  std::span<const std::byte> bytes_;  // what is not read yet
  png_structp png_ = nullptr;
  png_infop header_ = nullptr;
  png_infop trailer_ = nullptr;
  char message_[200] = "out of memory";
  bool truncated_ = false;
};

// Pillow converts its mode "I;16" to 8 bits by clipping, not by scaling.
void expand_wide_grey(std::span<const std::uint8_t> words, std::span<std::uint8_t> rgb) {
  for (std::size_t i = 0; i < words.size() / 2; ++i) {
    const std::uint8_t value = words[2 * i] != 0 ? 255 : words[2 * i + 1];
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = value;
  }
}

}  // namespace

Result<Decoded> decode_png(std::span<const std::byte> bytes, const ImageLimits& limits) {
  PngDecoder decoder(bytes);
  if (!decoder.read_header()) return decoder.error();
  Decoded decoded;
  BITMAR_TRY(decoded.image, allocate_image(decoder.width(), decoder.height(), limits));

  std::vector<std::uint8_t> wide(decoder.is_wide_grey() ? decoder.row_bytes() * decoder.height() : 0);
  std::uint8_t* const first = decoder.is_wide_grey() ? wide.data() : decoded.image.pixels.data();
  std::vector<std::uint8_t*> rows(decoder.height());
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = first + y * decoder.row_bytes();
  if (!decoder.read_pixels(rows.data())) return decoder.error();

  if (decoder.is_wide_grey()) expand_wide_grey(wide, decoded.image.pixels);
  decoded.orientation = decoder.orientation();
  return decoded;
}

}  // namespace bitmar::image_detail
