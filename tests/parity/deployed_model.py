"""A model file run by reference_model.py in double precision.

    model = DeployedModel(path)
    logits = model.double_precision_logits(tokens)                  # [T, V]
    other = model.double_precision_logits(tokens, noise_seed=1)     # as far off as rounding may lead
"""

import math
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from model_file import ternary_matrices, value
from reference_model import Model


class DeployedModel:
    def __init__(self, path: Path):
        self.reader = GGUFReader(path)
        self.tensors = {tensor.name: tensor.data for tensor in self.reader.tensors}
        self.ternary = {name: matrix for name, matrix in ternary_matrices(self.reader).items()
                        if not name.startswith("vision_tower.")}
        layers = sum(value(self.reader, f"bitmar.{stack}.block_count") for stack in ("encoder", "decoder"))
        # One deviation of an FP32 result, relative to the scale of its row (test_trainer_runtime.py says why).
        self.error = math.sqrt(15 * value(self.reader, "bitmar.feed_forward_length") * layers) * 2.0**-24

    def double_precision_values(self) -> dict[str, torch.Tensor]:
        values = {}
        for name, matrix in self.ternary.items():
            values[name] = torch.from_numpy(matrix.codes).double() * matrix.scale
            values[name.removesuffix("weight") + "scale"] = torch.tensor([matrix.scale], dtype=torch.float64)
        for name, data in self.tensors.items():
            if name in values or name.startswith(("vision_tower.", "tokenizer.")) or name.endswith("_scale"):
                continue
            values[name] = torch.tensor(data.astype(np.float64))
            if data.dtype == np.int8:
                values[name] *= torch.tensor(self.tensors[f"{name}_scale"].astype(np.float64))[:, None]
        return values

    def double_precision_logits(self, tokens: np.ndarray, features: np.ndarray | None = None,
                                noise_seed: int | None = None) -> np.ndarray:
        """tokens [T], features [N, F] or none -> [T, V]; with one deviation of noise at every rounding if there is a seed."""
        noise = None
        if noise_seed is not None:
            generator = torch.Generator().manual_seed(noise_seed)
            noise = lambda size: 127 * self.error * torch.randn(size, generator=generator, dtype=torch.float64)
        model = Model(self.double_precision_values(), value(self.reader, "bitmar.attention.head_count"),
                      value(self.reader, "bitmar.decoder.injection"), value(self.reader, "bitmar.memory.query"),
                      value(self.reader, "bitmar.memory.enabled"), rounding_noise=noise)
        with torch.no_grad():
            vision = None if features is None else model.see(torch.tensor(features, dtype=torch.float64))
            return model.run(model.embedding()[torch.tensor(tokens.astype(np.int64))], vision).logits.numpy()
