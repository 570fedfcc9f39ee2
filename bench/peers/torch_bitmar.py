"""BitMar in plain PyTorch, batched, for training: fake-quantized weights and activations with straight-through
gradients, fused attention, one linear layer for queries, keys and values. Parameters are named as a checkpoint's.

    model = BitMar(config, values)                       # values: the checkpoint's "model." tensors by name
    output = model(tokens, mask, features, image_of_row)   # tokens [rows, segments, T], features [images, N, F]
    output.hidden                                        # [rows, segments, T, d], the head's input
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATION_RANGE = 127.0
HEAD_RANGE = 127 * (1 - 2**-12)  # of queries, keys, values and memory


@dataclass(frozen=True)
class Config:
    """What the values' shapes do not tell; a configuration's [model]."""

    heads: int = 4
    memory: bool = True
    memory_write_rate: float = 0.2
    memory_write_slots: int = 8
    memory_usage_decay: float = 0.99
    memory_usage_floor: float = 1e-3
    memory_usage_penalty: float = 1.0
    query: str = "mean"
    injection: str = "add"
    norm_epsilon: float = 1e-5
    rope_base: float = 10000.0


class QuantizedActivations(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor, largest: float) -> Tensor:
        scale = largest / x.abs().amax(-1, keepdim=True).clamp_min_(1e-30)
        return (x * scale).round_().div_(scale)

    @staticmethod
    def backward(context, gradient: Tensor):
        return gradient, None


class QuantizedRows(torch.autograd.Function):
    """Embedding rows as int8 with a half-precision scale."""

    @staticmethod
    def forward(context, rows: Tensor) -> Tensor:
        scale = (rows.abs().amax(-1, keepdim=True) / 127).half().to(rows.dtype)
        return torch.where(scale == 0, 0, (rows / scale).round_().clamp_(-127, 127).mul_(scale))

    @staticmethod
    def backward(context, gradient: Tensor):
        return gradient


class TernaryWeight(torch.autograd.Function):
    """LSQ (Esser et al. 2020): straight through to the weight, a learned scale."""

    @staticmethod
    def forward(context, weight: Tensor, scale: Tensor) -> Tensor:
        context.save_for_backward(weight, scale)
        return (weight / scale).round_().clamp_(-1, 1).mul_(scale)

    @staticmethod
    def backward(context, gradient: Tensor):
        weight, scale = context.saved_tensors
        ratio = weight / scale
        slope = torch.where(ratio.abs() <= 1, ratio.round() - ratio, ratio.sign())
        return gradient, (gradient * slope).sum().reshape(1) / math.sqrt(weight.numel())


def quantize(x: Tensor, largest: float = ACTIVATION_RANGE) -> Tensor:
    return QuantizedActivations.apply(x, largest)


class Values:
    """The checkpoint's tensors, each taken once as a parameter or a buffer."""

    def __init__(self, values: dict[str, Tensor]) -> None:
        self._values = values

    def parameter(self, name: str) -> nn.Parameter:
        return nn.Parameter(self._values[name].clone())

    def count(self, stack: str) -> int:
        return len({name.split(".")[1] for name in self._values
                    if name.startswith(f"{stack}.") and name.split(".")[1].isdigit()})

    def tensor(self, name: str) -> Tensor:
        return self._values[name].clone()


class BitLinear(nn.Module):
    def __init__(self, values: Values, name: str) -> None:
        super().__init__()
        self.weight = values.parameter(f"{name}.weight")
        self.scale = values.parameter(f"{name}.scale")

    def quantized(self) -> Tensor:
        return TernaryWeight.apply(self.weight, self.scale)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(quantize(x), self.quantized())


class Norm(nn.LayerNorm):
    def __init__(self, values: Values, name: str, config: Config) -> None:
        weight = values.parameter(f"{name}.weight")
        super().__init__(weight.numel(), eps=config.norm_epsilon)
        self.weight, self.bias = weight, values.parameter(f"{name}.bias")


class Attention(nn.Module):
    def __init__(self, values: Values, name: str, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value, self.output = (
            BitLinear(values, f"{name}.{part}") for part in ("query", "key", "value", "output"))
        self.output_norm = Norm(values, f"{name}.output_norm", config)

    def _project(self, x: Tensor, *layers: BitLinear) -> list[Tensor]:
        """[sequences, heads, T, d / heads] each."""
        joined = F.linear(quantize(x), torch.cat([layer.quantized() for layer in layers]))
        split = joined.view(*x.shape[:2], len(layers), self.heads, -1).permute(2, 0, 3, 1, 4)
        return list(split.unbind(0))

    def forward(self, x: Tensor, keys: Tensor | None = None, angles: Tensor | None = None,
                mask: Tensor | None = None) -> Tensor:
        """x [sequences, T, d] attends to itself, causally, or to `keys` [sequences, Tk, d]."""
        if keys is None:
            q, k, v = self._project(x, self.query, self.key, self.value)
            q, k = rotate(q, angles), rotate(k, angles)
        else:
            (q,), (k, v) = self._project(x, self.query), self._project(keys, self.key, self.value)
        q, k, v = (quantize(part, HEAD_RANGE) for part in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v, mask, is_causal=keys is None)
        return self.output(self.output_norm(attended.transpose(1, 2).reshape(x.shape)))


def rotation(length: int, head_width: int, base: float, like: Tensor) -> Tensor:
    """Cosines and sines [2, T, head_width / 2]."""
    frequencies = base ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies)
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    cosine, sine = angles
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)


class FeedForward(nn.Module):
    def __init__(self, values: Values, name: str, config: Config) -> None:
        super().__init__()
        self.up, self.down = BitLinear(values, f"{name}.up"), BitLinear(values, f"{name}.down")
        self.down_norm = Norm(values, f"{name}.down_norm", config)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.down_norm(F.gelu(self.up(x))))


class Layer(nn.Module):
    def __init__(self, values: Values, name: str, config: Config, reads: bool) -> None:
        super().__init__()
        self.attention_norm = Norm(values, f"{name}.attention_norm", config)
        self.ffn_norm = Norm(values, f"{name}.ffn_norm", config)
        self.attention = Attention(values, f"{name}.attention", config)
        self.ffn = FeedForward(values, f"{name}.ffn", config)
        self.memory = BitLinear(values, f"{name}.memory") if reads else None
        self.memory_gate = values.parameter(f"{name}.memory_gate") if reads else None

    def forward(self, h: Tensor, angles: Tensor, retrieved: Tensor | None = None) -> Tensor:
        if self.memory is not None:
            h = h + self.memory_gate.tanh() * self.memory(retrieved)
        h = h + self.attention(self.attention_norm(h), angles=angles)
        return h + self.ffn(self.ffn_norm(h))


class Stack(nn.ModuleDict):
    """Layers "0", "1", … and a last norm."""

    def __init__(self, values: Values, name: str, config: Config, reads: bool) -> None:
        super().__init__({str(i): Layer(values, f"{name}.{i}", config, reads) for i in range(values.count(name))})
        self.norm = Norm(values, f"{name}.norm", config)

    def run(self, h: Tensor, angles: Tensor, retrieved: Tensor | None = None) -> Tensor:
        for name, layer in self.items():
            if name.isdigit():
                h = layer(h, angles, retrieved)
        return self.norm(h)


class Vision(nn.Module):
    def __init__(self, values: Values, config: Config) -> None:
        super().__init__()
        self.compression = nn.ModuleList(BitLinear(values, f"vision.compression.{i}") for i in range(2))
        self.norm = Norm(values, "vision.norm", config)
        self.null_token = values.parameter("vision.null_token")

    def forward(self, features: Tensor) -> Tensor:
        """[images, N, F] -> [images, N', d]; a square grid of even side is averaged 2x2."""
        side = math.isqrt(features.shape[1])
        if side * side == features.shape[1] and side % 2 == 0:
            grid = features.view(len(features), side, side, -1).permute(0, 3, 1, 2)
            features = F.avg_pool2d(grid, 2).flatten(2).transpose(1, 2)
        return self.norm(self.compression[1](F.relu(self.compression[0](features))))


class Fusion(nn.Module):
    def __init__(self, values: Values, config: Config) -> None:
        super().__init__()
        self.attention = Attention(values, "fusion.attention", config)
        self.norm = Norm(values, "fusion.norm", config)

    def forward(self, states: Tensor, null_token: Tensor, vision: Tensor | None, image_of_row: Tensor) -> Tensor:
        """states [rows, segments * T, d]; a row without image (-1) sees only the null token."""
        keys, mask = null_token.expand(len(states), 1, -1), None
        if vision is not None:
            keys = torch.cat([keys, vision[image_of_row.clamp_min(0)]], 1)
            if (image_of_row < 0).any():
                mask = (image_of_row >= 0)[:, None].expand(-1, keys.shape[1]).clone()
                mask[:, 0] = True
                mask = mask[:, None, None]
        return self.norm(states + self.attention(states, keys, mask=mask))
