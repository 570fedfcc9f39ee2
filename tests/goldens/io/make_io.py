"""Files written by the formats' own Python packages (gguf, safetensors, numpy), for the tests in src/io.

    python tests/goldens/io/make_io.py        # writes beside itself
"""

from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).parent


def ramp(count: int, start: float = -3.0, step: float = 0.25) -> np.ndarray:
    """start, start + step, …: exact in every float format used here."""
    return (start + step * np.arange(count)).astype(np.float32)


def write_gguf() -> None:
    """Every value type, every tensor type we write, tensors whose sizes need padding."""
    writer = gguf.GGUFWriter(FOLDER / "official.gguf", "bitmar-test")
    writer.add_custom_alignment(32)
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4000000000)
    writer.add_int32("test.i32", -2000000000)
    writer.add_float32("test.f32", 0.15625)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "naïve café ☕")
    writer.add_uint64("test.u64", 2**63 + 5)
    writer.add_int64("test.i64", -(2**62))
    writer.add_float64("test.f64", -2.5e-300)
    writer.add_key_value("test.array_u32", [1, 2, 3], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32)
    writer.add_key_value("test.array_f32", [0.5, -0.25], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32)
    writer.add_key_value("test.array_string", ["a", "", "été"], gguf.GGUFValueType.ARRAY,
                         gguf.GGUFValueType.STRING)
    writer.add_key_value("test.array_bool", [True, False], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.BOOL)
    writer.add_tensor("float32", ramp(6).reshape(2, 3))
    writer.add_tensor("float16", ramp(5).astype(np.float16))
    writer.add_tensor("int8", np.arange(-4, 4, dtype=np.int8).reshape(2, 2, 2))
    writer.add_tensor("int16", np.arange(-2, 1, dtype=np.int16))
    writer.add_tensor("int32", np.arange(8, dtype=np.int32).reshape(1, 2, 2, 2))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_safetensors() -> None:
    values = torch.from_numpy(ramp(6).reshape(2, 3))
    tensors = {
        "half": values.half(),
        "brain": values.bfloat16(),
        "single": values,
        "double": values.double(),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "ids": torch.arange(4, dtype=torch.int64),
        "flags": torch.tensor([True, False]),
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 7),
    }
    save_file(tensors, str(FOLDER / "official.safetensors"), metadata={"kind": "golden", "note": "ünïcode"})


def write_npy() -> None:
    values = ramp(6).reshape(2, 3)
    np.save(FOLDER / "f16_v1.npy", values.astype(np.float16))
    np.save(FOLDER / "f32_v1.npy", values)
    np.save(FOLDER / "f64_3d.npy", values.astype(np.float64).reshape(2, 1, 3))
    np.save(FOLDER / "u16_vector.npy", np.array([0, 1, 65535], dtype=np.uint16))
    np.save(FOLDER / "i8_scalar.npy", np.array(-7, dtype=np.int8))
    np.save(FOLDER / "fortran.npy", np.asfortranarray(values))
    np.save(FOLDER / "big_endian.npy", values.astype(">f4"))
    np.save(FOLDER / "object.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    np.save(FOLDER / "structured.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    np.save(FOLDER / "complex.npy", values.astype(np.complex64))
    with open(FOLDER / "f32_v2.npy", "wb") as file:
        np.lib.format.write_array(file, values, version=(2, 0))


if __name__ == "__main__":
    write_gguf()
    write_safetensors()
    write_npy()
