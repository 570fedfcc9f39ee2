"""A vision transformer in plain PyTorch, FP32, with fused attention: DINOv2-B's shape or timm's ViT-Tiny/16."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

NORM_EPSILON = 1e-6
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Block:
    """Pairs are weight and bias; scales are LayerScale's, or absent."""

    attention_norm: tuple[Tensor, Tensor]
    qkv: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]
    mlp_norm: tuple[Tensor, Tensor]
    up: tuple[Tensor, Tensor]
    down: tuple[Tensor, Tensor]
    attention_scale: Tensor | None = None
    mlp_scale: Tensor | None = None


@dataclass(frozen=True)
class Vit:
    """The position grid must be the image's own."""

    patch_embedding: tuple[Tensor, Tensor]  # weight [width, 3, patch, patch]
    class_token: Tensor  # [1, 1, width]
    positions: Tensor  # [1, 1 + patches, width]
    blocks: list[Block]
    norm: tuple[Tensor, Tensor]
    heads: int

    def features(self, pixels: Tensor) -> Tensor:
        """pixels: [1, 3, side, side]; the patches' features [patches, width]."""
        width = self.class_token.shape[-1]
        patch = self.patch_embedding[0].shape[-1]
        patches = F.conv2d(pixels, *self.patch_embedding, stride=patch).flatten(2).transpose(1, 2)
        x = (torch.cat([self.class_token, patches], 1) + self.positions)[0]
        for block in self.blocks:
            normed = F.layer_norm(x, (width,), *block.attention_norm, NORM_EPSILON)
            qkv = F.linear(normed, *block.qkv).view(-1, 3, self.heads, width // self.heads).permute(1, 2, 0, 3)
            attended = F.scaled_dot_product_attention(*qkv.unsqueeze(1))[0].transpose(0, 1).reshape(-1, width)
            x = self._add(x, F.linear(attended, *block.out), block.attention_scale)
            normed = F.layer_norm(x, (width,), *block.mlp_norm, NORM_EPSILON)
            x = self._add(x, F.linear(F.gelu(F.linear(normed, *block.up)), *block.down), block.mlp_scale)
        return F.layer_norm(x[1:], (width,), *self.norm, NORM_EPSILON)

    @staticmethod
    def _add(x: Tensor, update: Tensor, scale: Tensor | None) -> Tensor:
        return x + update if scale is None else torch.addcmul(x, update, scale)


def _pair(tensors: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def from_dinov2(tensors: dict[str, Tensor], depth: int, heads: int) -> Vit:
    """Of Hugging Face's names."""
    def block(layer: int) -> Block:
        name = f"encoder.layer.{layer}."
        parts = [_pair(tensors, f"{name}attention.attention.{part}") for part in ("query", "key", "value")]
        fused = torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])
        return Block(_pair(tensors, name + "norm1"), fused, _pair(tensors, name + "attention.output.dense"),
                     _pair(tensors, name + "norm2"), _pair(tensors, name + "mlp.fc1"), _pair(tensors, name + "mlp.fc2"),
                     tensors[name + "layer_scale1.lambda1"], tensors[name + "layer_scale2.lambda1"])

    return Vit(_pair(tensors, "embeddings.patch_embeddings.projection"), tensors["embeddings.cls_token"],
               tensors["embeddings.position_embeddings"], [block(layer) for layer in range(depth)],
               _pair(tensors, "layernorm"), heads)


def from_timm(tensors: dict[str, Tensor], depth: int, heads: int) -> Vit:
    """Of timm's names."""
    parts = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    blocks = [Block(*(_pair(tensors, f"blocks.{layer}.{part}") for part in parts)) for layer in range(depth)]
    return Vit(_pair(tensors, "patch_embed.proj"), tensors["cls_token"], tensors["pos_embed"], blocks,
               _pair(tensors, "norm"), heads)


def random_dinov2(width: int, depth: int, side: int = 16, patch: int = 14) -> dict[str, Tensor]:
    """Random tensors of a DINOv2 with a side x side grid of positions, of about the sizes that training gives."""
    generator = torch.Generator().manual_seed(width)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    tensors = {"embeddings.cls_token": 0.3 * normal(1, 1, width),
               "embeddings.position_embeddings": 0.3 * normal(1, 1 + side * side, width)}

    def add_linear(name: str, rows: int, *columns: int) -> None:
        tensors[f"{name}.weight"] = normal(rows, *columns) / np.sqrt(np.prod(columns))
        tensors[f"{name}.bias"] = 0.3 * normal(rows)

    def add_norm(name: str) -> None:
        tensors[f"{name}.weight"] = 1 + 0.2 * normal(width)
        tensors[f"{name}.bias"] = 0.3 * normal(width)

    add_linear("embeddings.patch_embeddings.projection", width, 3, patch, patch)
    for layer in range(depth):
        name = f"encoder.layer.{layer}."
        for part in ("attention.attention.query", "attention.attention.key", "attention.attention.value",
                     "attention.output.dense"):
            add_linear(name + part, width, width)
        add_linear(name + "mlp.fc1", 4 * width, width)
        add_linear(name + "mlp.fc2", width, 4 * width)
        for number in (1, 2):
            add_norm(f"{name}norm{number}")
            tensors[f"{name}layer_scale{number}.lambda1"] = 0.5 + 0.3 * normal(width)
    add_norm("layernorm")
    return tensors


def prepare(photo: Image.Image, squash: bool) -> Tensor:
    """The source's preprocessing, as `bitmar convert` notes it in the file: [1, 3, 224, 224]."""
    mean, deviation = (np.array(values) for values in (HALF if squash else IMAGENET))
    if squash:
        photo = photo.resize((224, 224), Image.Resampling.BICUBIC)
    else:
        width, height = (256 * side // min(photo.size) for side in photo.size)
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        photo = photo.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
    pixels = (np.asarray(photo) / 255 - mean) / deviation
    return torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32)


class VitSession:
    """The ViT as a side of a comparison: "encode" takes one photo's pixels to features."""

    def __init__(self, vit: Vit, pixels: Tensor, threads: int) -> None:
        self.threads = threads
        self._vit = vit
        self._pixels = pixels

    @torch.inference_mode()
    def time(self, command: str) -> float:
        """Seconds; `command` is "encode"."""
        torch.set_num_threads(self.threads)
        start = time.perf_counter()
        self._vit.features(self._pixels)
        return time.perf_counter() - start
