#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstring>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include "image/decoders.h"

namespace bitmar::image_detail {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
// Honest progressive files have about ten scans; thousands of empty scans over a large picture would run for hours.
constexpr int kMaximumScans = 100;

// libjpeg reports errors by calling error_exit, which must not return: it jumps to the step that called libjpeg. No
// object with a destructor may live between the two, so the steps below hold plain data only.
class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const std::byte> bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { self(info).abandon(); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      // Past its end libjpeg would pretend an end-of-image marker and paint the rest grey, with a mere warning.
      if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) self(info).abandon();
    };
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr info) {
      if (info->is_decompressor != FALSE &&
          reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaximumScans) {
        self(info).too_many_scans_ = true;
        self(info).abandon();
      }
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  [[nodiscard]] bool read_header() {
    if (setjmp(failure_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_save_markers(&info_, kExifMarker, 0xFFFF);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()),
                 static_cast<unsigned long>(bytes_.size()));
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  // Decodes into rows of width * components bytes; `row_stride` apart. CMYK goes through `cmyk_row` [width, 4].
  [[nodiscard]] bool read_pixels(std::uint8_t* rgb, std::uint8_t* cmyk_row) {
    if (setjmp(failure_) != 0) return false;
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    const std::size_t stride = std::size_t{info_.output_width} * 3;
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* const destination = rgb + info_.output_scanline * stride;
      JSAMPROW row = is_cmyk() ? cmyk_row : destination;
      jpeg_read_scanlines(&info_, &row, 1);
      if (is_cmyk()) convert_cmyk(cmyk_row, info_.output_width, destination);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  [[nodiscard]] Orientation orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      if (marker->marker != kExifMarker || marker->data_length < 6) continue;
      if (std::memcmp(marker->data, "Exif\0\0", 6) != 0) continue;
      return read_orientation(std::as_bytes(std::span(marker->data, marker->data_length)));
    }
    return Orientation::kUpright;
  }

  [[nodiscard]] std::unexpected<Error> error() const {
    if (too_many_scans_) {
      return fail(ErrorCode::kInvalidFile, "the JPEG has more than {} scans", kMaximumScans);
    }
    if (errors_.msg_code == JWRN_JPEG_EOF) return fail(ErrorCode::kInvalidFile, "the JPEG is truncated");
    return fail(ErrorCode::kInvalidFile, "not a valid JPEG: {}", message_);
  }

  [[nodiscard]] const jpeg_decompress_struct& info() const { return info_; }
  [[nodiscard]] bool is_cmyk() const { return info_.num_components == 4; }

 private:
  static JpegDecoder& self(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  [[noreturn]] void abandon() {
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message_);
    std::longjmp(failure_, 1);
  }

  // Adobe's convention, which Pillow assumes of every CMYK JPEG: 255 means no ink.
  static void convert_cmyk(const std::uint8_t* cmyk, std::size_t width, std::uint8_t* rgb) {
    for (std::size_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
      const int light = cmyk[3];
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const int product = (255 - cmyk[channel]) * light + 128;
        const int value = light - ((product + (product >> 8)) >> 8);  // rounded division by 255
        rgb[channel] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
      }
    }
  }

  std::span<const std::byte> bytes_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf failure_{};
  char message_[JMSG_LENGTH_MAX] = {};
  bool too_many_scans_ = false;
};

}  // namespace

Result<Decoded> decode_jpeg(std::span<const std::byte> bytes, const ImageLimits& limits) {
  JpegDecoder decoder(bytes);
  if (!decoder.read_header()) return decoder.error();
  const int components = decoder.info().num_components;
  if (components != 1 && components != 3 && components != 4) {
    return fail(ErrorCode::kUnsupported, "a JPEG of {} components, expected 1, 3 or 4", components);
  }
  Decoded decoded;
  BITMAR_TRY(decoded.image, allocate_image(decoder.info().image_width, decoder.info().image_height, limits));
  decoded.orientation = decoder.orientation();
  std::vector<std::uint8_t> cmyk_row(decoder.is_cmyk() ? std::size_t{decoded.image.width} * 4 : 0);
  if (!decoder.read_pixels(decoded.image.pixels.data(), cmyk_row.data())) return decoder.error();
  return decoded;
}

}  // namespace bitmar::image_detail
