"""Reads what docs/format.md adds to GGUF, through the official package."""

from dataclasses import dataclass

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader


@dataclass
class TernaryMatrix:
    codes: np.ndarray  # int8 [rows, columns] of -1, 0, 1
    scale: float


def value(reader: GGUFReader, key: str):
    return reader.fields[key].contents()


def ternary_matrices(reader: GGUFReader) -> dict[str, TernaryMatrix]:
    """All of a file, by name; asserts that they are packed as documented."""
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    names = value(reader, "bitmar.ternary.names")
    assert len(names) == len(set(names))
    matrices = {}
    for name, rows, columns, scale in zip(names, value(reader, "bitmar.ternary.rows"),
                                          value(reader, "bitmar.ternary.columns"),
                                          value(reader, "bitmar.ternary.scales"), strict=True):
        assert tensors[name].tensor_type == GGMLQuantizationType.I8
        packed = tensors[name].data.view(np.uint8)
        assert packed.shape == ((rows * columns + 4) // 5,) and packed.max() <= 242
        digits = (packed[:, None] // 3 ** np.arange(5) % 3).reshape(-1)
        assert np.all(digits[rows * columns :] == 1)
        matrices[name] = TernaryMatrix(digits[: rows * columns].astype(np.int8).reshape(rows, columns) - 1, scale)
    return matrices
