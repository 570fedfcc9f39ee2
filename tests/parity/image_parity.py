"""Compares decoding and resizing with Pillow on a folder of photos; every difference must be at most 1 of 255.

    python tests/parity/image_parity.py --program build/tests/parity/resize_image --photos FOLDER [--count 200]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def expected_pixels(path, side):
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    shorter = side * 8 // 7
    width, height = (shorter * length // min(photo.size) for length in photo.size)
    left, top = int(round((width - side) / 2.0)), int(round((height - side) / 2.0))
    crop = photo.resize((width, height), Image.BICUBIC).crop((left, top, left + side, top + side))
    parts = [photo, photo.resize((side, side), Image.BICUBIC), crop]
    return np.concatenate([np.asarray(part).reshape(-1) for part in parts])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the built resize_image")
    parser.add_argument("--photos", required=True, help="a folder of JPEG, PNG or WebP files")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--side", type=int, default=224)
    arguments = parser.parse_args()

    suffixes = (".jpg", ".jpeg", ".png", ".webp")
    photos = sorted(path for path in Path(arguments.photos).iterdir() if path.suffix.lower() in suffixes)
    photos = photos[:: max(1, len(photos) // arguments.count)][: arguments.count]
    largest, exact = 0, 0
    for path in photos:
        command = [arguments.program, str(arguments.side), path]
        actual = np.frombuffer(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout, np.uint8)
        expected = expected_pixels(path, arguments.side)
        if actual.size != expected.size:
            sys.exit(f"{path}: {actual.size} bytes, expected {expected.size}")
        difference = int(np.abs(actual.astype(np.int16) - expected).max())
        largest, exact = max(largest, difference), exact + (difference == 0)
    print(f"{len(photos)} photos: {exact} equal to the bit, largest difference {largest} of 255")
    return 0 if photos and largest <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
