"""`bitmar convert` and `bitmar features` against transformers' own ViTs, pixels in, patch features out.

The weights are random, of the true shapes, and large enough that every part has a say: LayerScale, biases, position
embedding, class and register tokens. Pillow and NumPy prepare the oracle's pixels. ViT-Tiny is compared with its real
weights too where --vit-tiny names them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from programs import output_of
from safetensors.torch import load_file, save_file
from transformers import (Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel, ViTConfig,
                          ViTModel)

ROOT = Path(__file__).resolve().parents[2]
IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
HALF = (np.array([0.5, 0.5, 0.5]), np.array([0.5, 0.5, 0.5]))
FLOAT_TOLERANCE = 1e-4
INT8_COSINE = 0.995
SMALL, BASE, LARGE = (384, 12, 6), (768, 12, 12), (1024, 24, 16)  # width, depth, heads


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """A made picture of the tower's own size, with gradients, edges and noise, and a real photo of another size."""
    y, x = np.mgrid[0:224, 0:224]
    planes = np.stack([x, y, (x + y) / 2], axis=2) * 255 / 223
    planes[60:150, 40:120] = [250, 20, 90]
    planes += np.random.default_rng(3).normal(0, 12, planes.shape)
    path = tmp_path_factory.mktemp("photos") / "made.png"
    Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8)).save(path)
    return [path, ROOT / "examples" / "chelsea.jpg"]


def prepare(path: Path, normalisation, squash: bool) -> torch.Tensor:
    """The source's preprocessing: [1, 3, 224, 224]."""
    photo = Image.open(path).convert("RGB")
    if squash:
        photo = photo.resize((224, 224), Image.BICUBIC)
    else:
        width, height = (256 * side // min(photo.size) for side in photo.size)
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        photo = photo.resize((width, height), Image.BICUBIC).crop((left, top, left + 224, top + 224))
    mean, deviation = normalisation
    pixels = (np.asarray(photo) / 255 - mean) / deviation
    return torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32)


def plausible(name: str, shape, generator: torch.Generator) -> torch.Tensor:
    """Values of about the size that training gives them, so that no part of the tower vanishes beside another."""
    normal = torch.randn(shape, generator=generator)
    if name.endswith("weight") and len(shape) > 1:
        return normal / np.sqrt(np.prod(shape[1:]))
    if name.endswith("weight"):  # of a norm
        return 1 + 0.2 * normal
    if "lambda" in name:
        return 0.5 + 0.3 * normal
    return 0.3 * normal  # biases, position embedding, class and register tokens


def randomise(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(plausible(name, parameter.shape, generator))
    return model.eval()


def dinov2(shape, registers: bool) -> torch.nn.Module:
    width, depth, heads = shape
    kind, config = (Dinov2WithRegistersModel, Dinov2WithRegistersConfig) if registers else (Dinov2Model, Dinov2Config)
    # The released weights were trained on a 37x37 grid of positions (518 pixels).
    return randomise(kind(config(hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads, image_size=518,
                                 patch_size=14)), seed=width + registers)


def convert(program, folder: Path, source: str, precision: str = "float32", *options: str) -> tuple[Path, dict]:
    output = folder / f"{precision}.gguf"
    command = [program("bitmar"), "convert", source, folder / "model.safetensors", "-o", output, "--precision",
               precision, "--json", *options]
    return output, json.loads(output_of(command))


def features(program, tower: Path, photos: list[Path]) -> np.ndarray:
    output = tower.with_suffix(".npy")
    command = [program("bitmar"), "features", "--tower", tower, *photos, "-o", output, "--precision", "f32"]
    output_of(command)
    return np.load(output).astype(np.float64)


def oracle(model: torch.nn.Module, pixels: list[torch.Tensor], prefix_tokens: int) -> np.ndarray:
    with torch.no_grad():
        rows = [model(pixel_values=each).last_hidden_state[0, prefix_tokens:] for each in pixels]
    return torch.stack(rows).double().numpy()


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    assert actual.shape == expected.shape
    assert expected.std(axis=1).mean() > 0.05, "the features of all patches are alike: the oracle shows nothing"
    return max(np.linalg.norm(a - e) / np.linalg.norm(e) for a, e in zip(actual, expected, strict=True))


def cosines(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Of every patch."""
    return (actual * expected).sum(-1) / np.linalg.norm(actual, axis=-1) / np.linalg.norm(expected, axis=-1)


def compare(program, folder: Path, source: str, photos: list[Path], expected: np.ndarray) -> None:
    tower, _ = convert(program, folder, source)
    error = relative_error(features(program, tower, photos), expected)
    tower.unlink()
    tower, _ = convert(program, folder, source, "int8")
    similarity = cosines(features(program, tower, photos), expected)
    print(f"relative error {error:.1e}; int8: mean cosine {similarity.mean():.4f}, lowest {similarity.min():.4f}")
    assert error <= FLOAT_TOLERANCE
    assert similarity.mean() >= INT8_COSINE


@pytest.fixture
def folder(tmp_path):
    """Removed at once: a DINOv2-B and its conversions take half a gigabyte."""
    yield tmp_path
    for file in tmp_path.iterdir():
        file.unlink()


@pytest.mark.parametrize("shape, registers", [(SMALL, False), (BASE, False), (BASE, True)],
                         ids=["small", "base", "base-registers"])
def test_dinov2(program, folder, photos, shape, registers) -> None:
    model = dinov2(shape, registers)
    model.save_pretrained(folder)
    expected = oracle(model, [prepare(photo, IMAGENET, squash=False) for photo in photos], 5 if registers else 1)
    compare(program, folder, "dinov2", photos, expected)


@pytest.mark.parametrize("registers", [False, True], ids=["plain", "registers"])
def test_positions_are_interpolated_as_their_source_does(program, folder, photos, registers) -> None:
    # One block of width 64 whose position embedding outweighs everything else.
    model = dinov2((64, 1, 1), registers)
    with torch.no_grad():
        model.embeddings.position_embeddings.mul_(20)
    model.save_pretrained(folder)
    expected = oracle(model, [prepare(photo, IMAGENET, squash=False) for photo in photos], 5 if registers else 1)
    tower, config = convert(program, folder, "dinov2")
    assert (config["position_grid"], config["image_size"] // config["patch_size"]) == (37, 16)
    assert relative_error(features(program, tower, photos), expected) <= FLOAT_TOLERANCE


def test_dinov2_large_converts(program, folder, photos) -> None:
    # Its width and heads at a depth of two: the blocks are alike.
    width, _, heads = LARGE
    model = dinov2((width, 2, heads), registers=False)
    model.save_pretrained(folder)
    expected = oracle(model, [prepare(photo, IMAGENET, squash=False) for photo in photos], 1)
    tower, config = convert(program, folder, "dinov2")
    assert (config["name"], config["width"], config["heads"]) == ("dinov2-large", width, heads)
    assert relative_error(features(program, tower, photos), expected) <= FLOAT_TOLERANCE


def vit_tiny(tensors: dict[str, torch.Tensor]) -> torch.nn.Module:
    """transformers' ViT with timm's tensors."""
    model = ViTModel(ViTConfig(hidden_size=192, num_hidden_layers=12, num_attention_heads=3, intermediate_size=768,
                               layer_norm_eps=1e-6), add_pooling_layer=False)
    state = {"embeddings.cls_token": tensors["cls_token"], "embeddings.position_embeddings": tensors["pos_embed"]}
    pairs = [("embeddings.patch_embeddings.projection", "patch_embed.proj"), ("layernorm", "norm")]
    for layer in range(12):
        ours, theirs = f"layers.{layer}.", f"blocks.{layer}."
        pairs += [(ours + a, theirs + b) for a, b in
                  [("attention.o_proj", "attn.proj"), ("layernorm_before", "norm1"), ("layernorm_after", "norm2"),
                   ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")]]
        for kind in ("weight", "bias"):
            for part, values in zip("qkv", tensors[f"{theirs}attn.qkv.{kind}"].chunk(3), strict=True):
                state[f"{ours}attention.{part}_proj.{kind}"] = values
    state |= {f"{a}.{kind}": tensors[f"{b}.{kind}"] for a, b in pairs for kind in ("weight", "bias")}
    model.load_state_dict(state)
    return model.eval()


def random_timm_tensors(seed: int) -> dict[str, torch.Tensor]:
    shapes = {"cls_token": (1, 1, 192), "pos_embed": (1, 197, 192), "patch_embed.proj.weight": (192, 3, 16, 16),
              "patch_embed.proj.bias": (192,), "norm.weight": (192,), "norm.bias": (192,)}
    for layer in range(12):
        for name, rows, columns in (("attn.qkv", 576, 192), ("attn.proj", 192, 192), ("mlp.fc1", 768, 192),
                                    ("mlp.fc2", 192, 768)):
            shapes |= {f"blocks.{layer}.{name}.weight": (rows, columns), f"blocks.{layer}.{name}.bias": (rows,)}
        for name in ("norm1", "norm2"):
            shapes |= {f"blocks.{layer}.{name}.{kind}": (192,) for kind in ("weight", "bias")}
    generator = torch.Generator().manual_seed(seed)
    return {name: plausible(name, shape, generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("weights", ["random", "real"])
def test_vit_tiny(program, folder, photos, real_data, weights) -> None:
    tensors = random_timm_tensors(1) if weights == "random" else load_file(real_data("--vit-tiny"))
    save_file(tensors, folder / "model.safetensors")
    expected = oracle(vit_tiny(tensors), [prepare(photo, HALF, squash=True) for photo in photos], 1)
    compare(program, folder, "timm", photos, expected)


def test_the_class_token_follows_each_patch(program, folder, photos) -> None:
    tensors = random_timm_tensors(2)
    save_file(tensors, folder / "model.safetensors")
    tokens = oracle(vit_tiny(tensors), [prepare(photo, HALF, squash=True) for photo in photos], 0)
    patches = tokens[:, 1:]
    tower, config = convert(program, folder, "timm", "float32", "--class-token")
    assert (config["width"], config["feature_width"]) == (192, 384)
    expected = np.concatenate([patches, np.broadcast_to(tokens[:, :1], patches.shape)], axis=2)
    assert relative_error(features(program, tower, photos), expected) <= FLOAT_TOLERANCE
