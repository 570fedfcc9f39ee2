"""Writes small pictures of every kind that the tool must read, and what Pillow makes of them.

    python tests/goldens/image/make_goldens.py

Every picture is computed here; none is a photo. `decode.txt` lists the files, each with its expected pixels beside it as
`<file>.ppm` (ImageOps.exif_transpose, then convert("RGB")). `resize.txt` lists `source width height expected` and
`crop.txt` lists `source shorter side expected`.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
ORIENTATION = 0x0112


def picture(width, height, channels):
    """Smooth waves with a hard-edged disc: both what a codec keeps and what makes a filter ring."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for channel in range(channels):
        wave = 128 + 100 * np.sin(x / (2.5 + channel) + 0.7 * channel) * np.cos(y / (3.5 - 0.5 * channel))
        disc = (x - 0.6 * width) ** 2 + (y - 0.4 * height) ** 2 < (0.2 * min(width, height)) ** 2
        planes.append(np.where(disc, 255 * ((channel + 1) % 2), wave))
    return np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)


def image(width, height, mode):
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = picture(width, height, channels)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode)


def adam7(pixels):
    """The seven reduced images of PNG's interlacing, as lists of rows."""
    for y0, x0, dy, dx in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        if pixels[y0::dy, x0::dx].size:
            yield from pixels[y0::dy, x0::dx]


def write_png(path, pixels, colour_type, bits, interlaced=False):
    """The kinds of PNG that Pillow reads and does not write. `pixels`: [height, width, channels]."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    big_endian = pixels.astype(">u2" if bits == 16 else np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in (adam7(big_endian) if interlaced else big_endian))
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def exif(orientation):
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block


def write_sources():
    rgb = image(37, 29, "RGB")
    rgb.save(HERE / "rgb_444.jpg", quality=90, subsampling=0)
    rgb.save(HERE / "rgb_422.jpg", quality=75, subsampling=1)
    rgb.save(HERE / "rgb_420.jpg", quality=60, subsampling=2)
    rgb.save(HERE / "rgb_420_progressive.jpg", quality=70, subsampling=2, progressive=True)
    rgb.save(HERE / "rgb_restart.jpg", quality=80, subsampling=2, restart_marker_blocks=2)
    rgb.save(HERE / "rgb_untransformed.jpg", quality=85, keep_rgb=True)
    image(31, 17, "L").save(HERE / "grey.jpg", quality=85)
    image(23, 19, "CMYK").save(HERE / "cmyk.jpg", quality=85)
    # The same bytes with Adobe's transform flag set are a YCCK picture.
    cmyk = bytearray((HERE / "cmyk.jpg").read_bytes())
    adobe = cmyk.index(b"Adobe")
    cmyk[adobe + 11] = 2
    (HERE / "ycck.jpg").write_bytes(cmyk)
    small = image(13, 9, "RGB")
    for orientation in range(1, 9):
        small.save(HERE / f"orientation_{orientation}.jpg", quality=90, subsampling=0, exif=exif(orientation))

    rgb.save(HERE / "rgb.png")
    image(21, 15, "RGBA").save(HERE / "rgba.png")
    image(21, 15, "LA").save(HERE / "grey_alpha.png")
    image(21, 15, "L").save(HERE / "grey.png")
    image(21, 15, "L").point(lambda value: 255 * (value > 127)).convert("1").save(HERE / "bilevel.png")
    palette = rgb.quantize(13)
    palette.save(HERE / "palette_4_bits.png", bits=4)
    palette.save(HERE / "palette_transparent.png", transparency=3)
    rgb.quantize(100).save(HERE / "palette_8_bits.png")
    small.save(HERE / "orientation_6.png", exif=exif(6))
    write_png(HERE / "grey_transparent_key.png", picture(11, 8, 1), 0, 8)
    wide = picture(11, 8, 4).astype(np.uint16) * 257 - 100
    write_png(HERE / "rgb_16_bits.png", wide[:, :, :3], 2, 16)
    write_png(HERE / "rgba_16_bits.png", wide, 6, 16)
    write_png(HERE / "grey_alpha_16_bits.png", wide[:, :, :2], 4, 16)
    write_png(HERE / "grey_16_bits.png", picture(11, 8, 1).astype(np.uint16) * 2, 0, 16)
    write_png(HERE / "rgb_interlaced.png", picture(21, 15, 3), 2, 8, interlaced=True)
    write_png(HERE / "grey_16_bits_interlaced.png", picture(11, 8, 1).astype(np.uint16) * 2, 0, 16, interlaced=True)
    nibbles = picture(12, 8, 1)[:, :, 0]
    write_png(HERE / "grey_4_bits.png", ((nibbles[:, 0::2] & 0xF0) | (nibbles[:, 1::2] >> 4))[:, :, None], 0, 4)

    rgb.save(HERE / "lossy.webp", quality=70)
    rgb.save(HERE / "lossless.webp", lossless=True)
    image(21, 15, "RGBA").save(HERE / "lossy_alpha.webp", quality=70)
    image(21, 15, "RGBA").save(HERE / "lossless_alpha.webp", lossless=True, exact=True)
    small.save(HERE / "orientation_8.webp", quality=90, exif=exif(8))
    frames = [image(21, 15, "RGBA").rotate(20 * i) for i in range(3)]
    frames[0].save(HERE / "animated.webp", save_all=True, append_images=frames[1:], lossless=True)


def fix_packed_width(path, width):
    """Sets the width of a PNG whose rows were written as packed bytes."""
    data = bytearray(path.read_bytes())
    data[16:20] = struct.pack(">I", width)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)


def add_transparent_key(path, grey):
    """Inserts a tRNS chunk before the first IDAT of a grey PNG."""
    data = path.read_bytes()
    position = data.index(b"IDAT") - 4
    body = b"tRNS" + struct.pack(">H", grey)
    path.write_bytes(data[:position] + struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body)) + data[position:])


def load(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def resized_and_cropped(source, shorter, side):
    """torchvision's Resize (antialiased bicubic on a PIL image) and CenterCrop."""
    short = min(source.size)
    width, height = (int(shorter * length / short) for length in source.size)
    left, top = int(round((width - side) / 2.0)), int(round((height - side) / 2.0))
    return source.resize((width, height), Image.BICUBIC).crop((left, top, left + side, top + side))


def main():
    for old in HERE.iterdir():
        if old.suffix != ".py":
            old.unlink()
    write_sources()
    fix_packed_width(HERE / "grey_4_bits.png", 12)
    add_transparent_key(HERE / "grey_transparent_key.png", 255)
    sources = sorted(path for path in HERE.iterdir() if path.suffix in (".jpg", ".png", ".webp"))
    for path in sources:
        load(path).save(HERE / f"{path.name}.ppm")
    (HERE / "decode.txt").write_text("".join(f"{path.name}\n" for path in sources))

    image(61, 43, "RGB").save(HERE / "resize_source.png")
    source = load(HERE / "resize_source.png")
    lines = []
    for width, height in [(16, 16), (7, 43), (61, 9), (97, 31), (40, 70), (1, 1), (62, 44), (60, 43), (3, 2)]:
        expected = f"resize_{width}x{height}.ppm"
        source.resize((width, height), Image.BICUBIC).save(HERE / expected)
        lines.append(f"resize_source.png {width} {height} {expected}\n")
    (HERE / "resize.txt").write_text("".join(lines))

    lines = []
    for shorter, side in [(32, 28), (33, 32), (43, 42), (64, 33)]:
        expected = f"crop_{shorter}_{side}.ppm"
        resized_and_cropped(source, shorter, side).save(HERE / expected)
        lines.append(f"resize_source.png {shorter} {side} {expected}\n")
    (HERE / "crop.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
