"""Vision towers: PyTorch in FP32 against BitMar's int8, the same weights on the same photo.

DINOv2-B's shape with random weights (224x224 pixels are 257 tokens) and, where --vit-tiny names its safetensors file,
timm's ViT-Tiny/16 with the real ones. Decoding and resizing are not timed. The cosines are between the two sides'
features, patch by patch, over all photos.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from interleave import PHOTO, ROOT, Ours, Row, compare, describe, machine, table, write_json
from PIL import Image
from safetensors.torch import load_file, save_file
from torch_vit import Vit, VitSession, from_dinov2, from_timm, prepare, random_dinov2

PROGRAM = ROOT / "build" / "bitmar"


def convert(source: str, weights: Path, tower: Path) -> None:
    subprocess.run([PROGRAM, "convert", source, weights, "-o", tower, "--precision", "int8"], check=True,
                   stdout=sys.stderr)


def cosines(vit: Vit, squash: bool, tower: Path, photos: list[Path]) -> dict[str, float]:
    """Of BitMar's features to PyTorch's, of every patch."""
    output = tower.with_suffix(".npy")
    subprocess.run([PROGRAM, "features", "--tower", tower, *photos, "-o", output, "--precision", "f32"], check=True,
                   stdout=sys.stderr, stderr=subprocess.DEVNULL)
    actual = np.load(output).astype(np.float64)
    with torch.inference_mode():
        expected = np.stack([vit.features(prepare(Image.open(photo).convert("RGB"), squash)).numpy().astype(np.float64)
                             for photo in photos])
    found = (actual * expected).sum(-1) / np.linalg.norm(actual, axis=-1) / np.linalg.norm(expected, axis=-1)
    return {"photos": len(photos), "mean": float(found.mean()), "lowest": float(found.min())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vit-tiny", type=Path, metavar="FILE", help="vit_tiny_patch16_224.safetensors")
    parser.add_argument("--photos", type=Path, default=PHOTO.parent, metavar="DIR", help="JPEG photos for the cosines")
    parser.add_argument("--count", type=int, default=16, help="of those photos, the first by name")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all rounds")
    options = parser.parse_args()
    photos = list(itertools.islice(sorted(options.photos.glob("*.jpg")), options.count))
    if not photos:
        parser.error(f"--photos: no *.jpg in {options.photos}")

    description = machine()
    rows: list[Row] = []
    similarity: dict[str, dict[str, float]] = {}

    def compare_tower(name: str, source: str, weights: Path, vit: Vit) -> None:
        squash = source == "timm"
        tower = weights.with_suffix(".gguf")
        convert(source, weights, tower)
        pixels = prepare(Image.open(PHOTO).convert("RGB"), squash)
        for threads in options.threads:
            ours = Ours("tower", tower, PHOTO, threads)
            description["bitmar_isa"] = ours.isa
            rows.append(compare(f"PyTorch FP32, {name}", VitSession(vit, pixels, threads), ours, "encode",
                                options.rounds))
            ours.close()
        similarity[name] = cosines(vit, squash, tower, photos)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tensors = random_dinov2(width=768, depth=12)
        save_file(tensors, folder / "dinov2.safetensors")
        compare_tower("DINOv2-B, random weights", "dinov2", folder / "dinov2.safetensors",
                      from_dinov2(tensors, depth=12, heads=12))
        if options.vit_tiny:
            weights = folder / "vit_tiny.safetensors"
            weights.symlink_to(options.vit_tiny.resolve())
            tensors = {key: values.float() for key, values in load_file(weights).items()}
            compare_tower("ViT-Tiny/16", "timm", weights, from_timm(tensors, depth=12, heads=3))

    print(f"{describe(description)}\n\n{table(rows)}\n")
    for name, found in similarity.items():
        print(f"{name}: cosine of int8 to FP32 features over {found['photos']} photos: mean {found['mean']:.4f}, "
              f"lowest patch {found['lowest']:.4f}")
    if options.json:
        write_json(options.json, description, rows, cosines=similarity)


if __name__ == "__main__":
    main()
