"""The official gguf package opens our files and reads what docs/format.md says is in them.

The bytes of our writer equal the package's own for the golden file (src/io/gguf_test.cpp), so the golden stands for it
here. The model is the shipped one, or the file that --model names.
"""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from model_file import ternary_matrices, value

ROOT = Path(__file__).resolve().parents[2]


def test_golden() -> None:
    reader = GGUFReader(ROOT / "tests" / "goldens" / "io" / "official.gguf")
    assert reader.fields["general.architecture"].contents() == "bitmar-test"
    assert reader.fields["test.u64"].contents() == 2**63 + 5
    assert reader.fields["test.array_string"].contents() == ["a", "", "été"]
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    np.testing.assert_array_equal(tensors["float32"].data, -3 + 0.25 * np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(tensors["int8"].data, np.arange(-4, 4).reshape(2, 2, 2))


@pytest.fixture(scope="module")
def model(model_path: Path) -> GGUFReader:
    return GGUFReader(model_path)


def test_model_size_and_architecture(model_path: Path, model: GGUFReader) -> None:
    assert model_path.stat().st_size < 10_000_000
    assert value(model, "general.architecture") == "bitmar"
    assert value(model, "tokenizer.ggml.model") == "gpt2"


def test_ternary_matrices_decode_as_documented(model: GGUFReader) -> None:
    matrices = ternary_matrices(model)
    assert matrices
    for name, matrix in matrices.items():
        assert np.isfinite(matrix.scale) and matrix.scale > 0, name
        assert {-1, 1} <= set(np.unique(matrix.codes)), f"{name} is no trained matrix"
    # A single matrix may learn to do without zeros; all of them together do not.
    codes = np.concatenate([matrix.codes.ravel() for matrix in matrices.values()])
    assert 0.2 < np.mean(codes == 0) < 0.8


def test_embedding_and_tokenizer(model: GGUFReader) -> None:
    tensors = {tensor.name: tensor for tensor in model.tensors}
    vocabulary, width = value(model, "bitmar.vocab_size"), value(model, "bitmar.embedding_length")
    codes = tensors["token_embedding.weight"].data
    scales = tensors["token_embedding.weight_scale"].data
    assert codes.dtype == np.int8 and codes.shape == (vocabulary, width) and codes.min() >= -127
    assert scales.dtype == np.float16 and scales.shape == (vocabulary,)
    merges = tensors["tokenizer.merges"].data.view(np.uint16)
    assert merges.shape == (vocabulary - 257, 2)
    # Each part is a byte symbol or the result of an earlier merge.
    assert np.all(merges < 256 + np.arange(len(merges))[:, None])
    assert value(model, "tokenizer.ggml.eos_token_id") == vocabulary - 1
