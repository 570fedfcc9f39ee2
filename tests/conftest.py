"""What the Python tests share: where the programs under test lie, and the real data that a checkout does not have.

    BITMAR_BUILD=build-train .venv/bin/python -m pytest -q
    .venv/bin/python -m pytest -q tests/parity/test_tokenizer.py --corpus corpora/text

Programs come from the build folder that BITMAR_BUILD names, where a missing one is a failure; without it from the
trainer's build folder or the release one, whichever has them, and what is not built is skipped.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# option, environment variable, help
DATA = [
    ("--corpus", "BITMAR_CORPUS", "a text file, or a folder of them"),
    ("--photos", "BITMAR_PHOTOS", "a folder of JPEG, PNG or WebP files"),
    ("--vit-tiny", "BITMAR_VIT_TINY", "timm's vit_tiny_patch16_224 as safetensors"),
    ("--checkpoint", "BITMAR_CHECKPOINT", "a training run's folder, or one of its checkpoints"),
    ("--model", "BITMAR_MODEL", "a model file; default: models/bitmar-14m.gguf where it is there"),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, variable, meaning in DATA:
        parser.addoption(option, default=os.environ.get(variable), help=f"{meaning} (or {variable})")


@pytest.fixture(scope="session")
def real_data(request: pytest.FixtureRequest):
    """real_data("--corpus"): the path, or the test is skipped."""

    def find(option: str) -> Path:
        value = request.config.getoption(option)
        if value is None:
            pytest.skip(f"no {option} given")
        path = Path(value)
        assert path.exists(), f"{option}: there is no {path}"
        return path

    return find


@pytest.fixture(scope="session")
def model_path(request: pytest.FixtureRequest) -> Path:
    """The model file; skips the test where there is none."""
    path = Path(request.config.getoption("--model") or ROOT / "models" / "bitmar-14m.gguf")
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


@pytest.fixture(scope="session")
def program():
    """program("bitmar"): the path of a built program."""
    named = os.environ.get("BITMAR_BUILD")
    folders = [ROOT / named] if named else [ROOT / "build-train", ROOT / "build"]

    def find(name: str) -> Path:
        for folder in folders:
            if (folder / name).exists():
                return folder / name
        message = f"{name} is not in {', '.join(map(str, folders))}"
        pytest.fail(message) if named else pytest.skip(message)

    return find


@pytest.fixture(scope="session")
def bitmar(program):
    """The Python package, on the library of the build folder."""
    os.environ["BITMAR_LIBRARY"] = str(program("src/capi/libbitmar.so"))
    import bitmar

    return bitmar
