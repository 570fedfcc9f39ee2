"""Decoding, resizing, cropping and normalising against Pillow and NumPy: no value off by more than 1 of 255.

The pictures are made here, of odd sizes and in every mode that a photo comes in; beside them the example photos, and
those of the folder that --photos names.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from programs import output_of

ROOT = Path(__file__).resolve().parents[2]
SIDE = 224
SIZES = [(641, 427), (333, 500), (97, 31), (1023, 257), (225, 225), (3, 7)]
KINDS = [("RGB", "jpg"), ("L", "jpg"), ("CMYK", "jpg"), ("RGB", "png"), ("L", "png"), ("LA", "png"), ("RGBA", "png"),
         ("P", "png"), ("1", "png"), ("RGB", "webp"), ("RGBA", "webp")]
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
PHOTOS = 200


def expected_outputs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    shorter = SIDE * 8 // 7
    width, height = (shorter * length // min(photo.size) for length in photo.size)
    left, top = int(round((width - SIDE) / 2.0)), int(round((height - SIDE) / 2.0))
    crop = photo.resize((width, height), Image.BICUBIC).crop((left, top, left + SIDE, top + SIDE))
    parts = [photo, photo.resize((SIDE, SIDE), Image.BICUBIC), crop]
    normalised = (np.asarray(crop) / 255 - MEAN) / DEVIATION
    return np.concatenate([np.asarray(part).reshape(-1) for part in parts]), normalised.transpose(2, 0, 1)


def compare(program: Path, path: Path) -> int:
    """The largest difference of a pixel; fails beyond 1."""
    output = output_of([program, str(SIDE), path])
    expected, normalised = expected_outputs(path)
    assert len(output) == expected.size + 4 * normalised.size, path
    pixels = np.frombuffer(output, np.uint8, expected.size)
    difference = int(np.abs(pixels.astype(np.int16) - expected).max())
    assert difference <= 1, path
    values = np.frombuffer(output, np.float32, offset=expected.size).reshape(normalised.shape)
    # In units of a pixel of 255, plus FP32 rounding.
    assert (np.abs(values - normalised) * DEVIATION[:, None, None]).max() <= (difference + 1e-4) / 255, path
    return difference


def make_picture(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    """Waves, a hard edge and noise in every band."""
    bands = 3 if mode == "P" else 1 if mode == "1" else len(Image.new(mode, (1, 1)).getbands())
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    band = np.arange(1, bands + 1)
    values = 128 + 90 * np.sin(x[..., None] / (3 * band) + y[..., None] / 7) + 60 * (x[..., None] * 2 > width * band / 2)
    values += np.random.default_rng(seed).normal(0, 10, values.shape)
    pixels = np.clip(values, 0, 255).astype(np.uint8)
    if mode in ("P", "1"):
        return Image.fromarray(pixels.squeeze()).convert(mode)
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(pixels[..., i])) for i in range(bands)])


@pytest.mark.parametrize("mode, suffix", KINDS, ids=[f"{mode}-{suffix}" for mode, suffix in KINDS])
def test_made_pictures(program, tmp_path, mode, suffix) -> None:
    for seed, size in enumerate(SIZES):
        path = tmp_path / f"{size[0]}x{size[1]}.{suffix}"
        make_picture(mode, size, seed).save(path)
        compare(program("tests/parity/resize_image"), path)


def compare_all(program: Path, photos: list[Path]) -> None:
    differences = [compare(program, path) for path in photos]
    print(f"{len(photos)} photos: {differences.count(0)} equal to the bit, largest difference {max(differences)} of 255")


def test_example_photos(program) -> None:
    compare_all(program("tests/parity/resize_image"), sorted((ROOT / "examples").glob("*.jpg")))


def test_photos(program, real_data) -> None:
    suffixes = (".jpg", ".jpeg", ".png", ".webp")
    photos = sorted(path for path in real_data("--photos").iterdir() if path.suffix.lower() in suffixes)
    compare_all(program("tests/parity/resize_image"), photos[:: max(1, len(photos) // PHOTOS)][:PHOTOS])
