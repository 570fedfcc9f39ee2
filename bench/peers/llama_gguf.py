"""A llama of random weights as GGUF, for measuring only."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

WIDTH, HEADS = 128, 4
# Types with which whole models are run; those whose blocks do not fit the widths are refused.
QUANTIZATIONS = ("F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "MXFP4",
                 "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "TQ2_0", "TQ1_0")


@dataclass(frozen=True)
class Shape:
    """A llama's size. Its gated feed-forward has three matrices of `feed_forward` where BitMar has two of 512."""

    layers: int
    feed_forward: int
    vocabulary: int


def _ggml() -> ctypes.CDLL:
    """The library whose quantizers `llama-quantize` uses."""
    library = ctypes.CDLL(str(next((Path(llama_cpp.__file__).parent / "lib").glob("*ggml-base.*"))))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                            ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    return library


def refusal(quantization: str, shape: Shape) -> str | None:
    """Why a model of this shape cannot have this type, or None where it can."""
    block, _ = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[quantization]]
    unfit = [columns for columns in (WIDTH, shape.feed_forward) if columns % block != 0]
    return f"blocks of {block} do not divide {unfit[0]} columns" if unfit else None


def _quantize(values: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """float32 [rows, columns] to bytes [rows, bytes of a row]."""
    rows, columns = values.shape
    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    out = np.empty((rows, columns // block * block_bytes), np.uint8)
    written = _ggml().ggml_quantize_chunk(kind, values.ctypes.data, out.ctypes.data, 0, rows, columns, None)
    if written != out.nbytes:
        raise ValueError(f"{kind.name}: {written} bytes for a matrix of {rows}x{columns}; expected {out.nbytes}")
    return out


def write_llama(path: Path, shape: Shape, quantization: str) -> None:
    """Every matrix in the one type, embedding and head included; norms in FP32. No tokenizer."""
    kind = gguf.GGMLQuantizationType[quantization]
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(1024)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("none")

    def add_matrix(name: str, rows: int, columns: int) -> None:
        values = random.standard_normal((rows, columns), np.float32) / np.float32(np.sqrt(columns))
        writer.add_tensor(f"{name}.weight", _quantize(values, kind), raw_dtype=kind)

    def add_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))

    add_matrix("token_embd", shape.vocabulary, WIDTH)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        add_norm(block + "attn_norm")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add_matrix(block + name, WIDTH, WIDTH)
        add_norm(block + "ffn_norm")
        add_matrix(block + "ffn_gate", shape.feed_forward, WIDTH)
        add_matrix(block + "ffn_up", shape.feed_forward, WIDTH)
        add_matrix(block + "ffn_down", WIDTH, shape.feed_forward)
    add_norm("output_norm")
    add_matrix("output", shape.vocabulary, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
