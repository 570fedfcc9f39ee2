#include <memory>
#include <utility>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image/decoders.h"

namespace bitmar::image_detail {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
struct DeleteAnimation {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

std::unexpected<Error> invalid() {
  return fail(ErrorCode::kInvalidFile, "not a valid WebP, or truncated");
}

// The frame of a picture that does not move covers its whole canvas.
Result<void> decode_still(const WebPDemuxer* demuxer, Image& image) {
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer, 1, &frame) == 0) return invalid();
  const bool decoded = frame.complete != 0 && std::cmp_equal(frame.width, image.width) &&
                       std::cmp_equal(frame.height, image.height) &&
                       WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, image.pixels.data(),
                                         image.pixels.size(), static_cast<int>(image.width) * 3) != nullptr;
  WebPDemuxReleaseIterator(&frame);
  if (!decoded) return invalid();
  return {};
}

Result<void> decode_first_frame(std::span<const std::byte> bytes, Image& image) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) return invalid();
  options.color_mode = MODE_RGBA;
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, DeleteAnimation> decoder(WebPAnimDecoderNew(&data, &options));
  std::uint8_t* rgba = nullptr;  // [height, width, 4], owned by the decoder
  int timestamp = 0;
  if (decoder == nullptr || WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp) == 0) return invalid();
  for (std::size_t i = 0; i < image.pixels.size() / 3; ++i) {
    for (std::size_t channel = 0; channel < 3; ++channel) image.pixels[3 * i + channel] = rgba[4 * i + channel];
  }
  return {};
}

Orientation find_orientation(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  Orientation orientation = Orientation::kUpright;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0) {
    orientation = read_orientation(std::as_bytes(std::span(chunk.chunk.bytes, chunk.chunk.size)));
  }
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

}  // namespace

Result<Decoded> decode_webp(std::span<const std::byte> bytes, const ImageLimits& limits) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));  // null unless complete
  if (demuxer == nullptr) return invalid();

  Decoded decoded;
  BITMAR_TRY(decoded.image, allocate_image(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                                           WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT), limits));
  const bool animated = (WebPDemuxGetI(demuxer.get(), WEBP_FF_FORMAT_FLAGS) & ANIMATION_FLAG) != 0;
  BITMAR_TRY_VOID(animated ? decode_first_frame(bytes, decoded.image) : decode_still(demuxer.get(), decoded.image));
  decoded.orientation = find_orientation(demuxer.get());
  return decoded;
}

}  // namespace bitmar::image_detail
