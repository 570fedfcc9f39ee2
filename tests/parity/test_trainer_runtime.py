"""A trained model deployed: what the trainer computes in floating point, the runtime computes in integers.

The model is the one in --checkpoint, with the file exported from it as --model (default: models/bitmar-14m.gguf); without
--checkpoint, one of random parameters in the shipped shape. Both sides read the same tokens with the same photo and the memory on.

Tolerances. Nothing but rounding separates the two from each other and from the double-precision model of
reference_model.py. Activations become 8-bit codes again and again, so an error of FP32 either vanishes in the next code
or, where x * s lies that close to a half, becomes a whole one; from there on every rounding is displaced a little and
many more codes flip, in that token and in all that attend to it.

- Where no code flips, the error is that of FP32. Between two roundings stand some 15 operations on rows of at most n
  elements, each off by 2^-24 of the row's scale, and the residual stream adds up all layers: a deviation of
  sqrt(15 n layers) 2^-24. Four of them, of the largest logit, bound a token without a flip. With some ten thousand codes
  a token about one in five that begin a context are such, fewer of those that follow; if a formula differed, none would
  be.
- Where codes flip, the double-precision model tells how far that leads: it runs again with one deviation of the error
  above added at random to every x * s before it is rounded. Trainer and runtime may differ from the undisturbed model
  by a quarter more than those runs do on average (root of the mean square), and a single logit by half as much again as
  the farthest of theirs.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from deployed_model import DeployedModel
from model_file import value
from programs import output_of
from reference_model import FLOOR
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
LONG, SHORT = (1, 256), (192, 2)  # sequences, tokens
PATCHES = 196  # a 14x14 grid, pooled to 7x7
NOISY_RUNS = 4
SMALLEST_SCALE = 1e-8  # of a ternary matrix, in training as in the file
SHARE_WITHOUT_FLIP = 0.05  # of the tokens that begin a context


class Deployment(DeployedModel):
    """A checkpoint's parameters and buffers, the file exported from it, and the photo that both sides see."""

    def __init__(self, checkpoint: Path, model: Path, folder: Path):
        super().__init__(model)
        self.trained = {name.removeprefix("model."): tensor for name, tensor in load_file(checkpoint).items()
                        if name.startswith("model.")}
        self.model, self.folder = model, folder
        width = value(self.reader, "bitmar.vision.embedding_length")
        self.features = np.random.default_rng(8).standard_normal((PATCHES, width)).astype(np.float32)

    def tokens(self, shape: tuple[int, int]) -> np.ndarray:
        vocabulary = value(self.reader, "bitmar.vocab_size")
        return np.random.default_rng(shape[1]).integers(0, vocabulary, shape, dtype=np.uint32)

    def logits(self, program: Path, shape: tuple[int, int]) -> np.ndarray:
        """[sequences, tokens, V] of trainer_logits or runtime_logits."""
        paths = [self.folder / f"{name}.npy" for name in ("tokens", "features", "logits")]
        np.save(paths[0], self.tokens(shape))
        np.save(paths[1], self.features)
        output_of([program, self.model, *paths])
        return np.load(paths[2]).reshape(*shape, -1)

    def reference(self, shape: tuple[int, int], noise_seed: int | None = None) -> np.ndarray:
        """The same in double precision; with noise at every rounding if there is a seed."""
        return np.stack([self.double_precision_logits(row, self.features, noise_seed) for row in self.tokens(shape)])


def newest_checkpoint(path: Path) -> Path:
    return path if path.is_file() else max((path / "checkpoints").glob("step-*.safetensors"))


@pytest.fixture(scope="module")
def deployment(request, program, tmp_path_factory) -> Deployment:
    folder = tmp_path_factory.mktemp("deployment")
    given = request.config.getoption("--checkpoint")
    if given:
        return Deployment(newest_checkpoint(Path(given)), request.getfixturevalue("model_path"), folder)
    checkpoint, model = folder / "checkpoint.safetensors", folder / "model.gguf"
    output_of([program("tests/parity/random_checkpoint"), "21", checkpoint])
    output_of([program("bitmar-train"), "export", "--checkpoint", checkpoint, "--merges",
               ROOT / "models" / "gpt2-merges.txt", "-o", model])
    return Deployment(checkpoint, model, folder)


def test_codes_are_identical(deployment) -> None:
    names = {name for name in deployment.trained if name.removesuffix("weight") + "scale" in deployment.trained}
    assert deployment.ternary.keys() == names
    for name, matrix in deployment.ternary.items():
        weight, scale = (deployment.trained[name.removesuffix("weight") + part] for part in ("weight", "scale"))
        scale = scale.clamp_min(SMALLEST_SCALE)  # a matrix that training switched off
        assert matrix.scale == scale.item()
        codes = torch.clamp(torch.round(weight / scale), -1, 1).to(torch.int8).numpy()
        np.testing.assert_array_equal(matrix.codes, codes, err_msg=name)


def test_everything_else_is_exported_as_documented(deployment) -> None:
    scales = {name.removesuffix("weight") + "scale" for name in deployment.ternary}
    for name in deployment.trained.keys() - deployment.ternary.keys() - scales:
        trained, exported = deployment.trained[name].numpy(), deployment.tensors[name]
        if exported.dtype == np.int8:
            scale = (np.abs(trained).max(axis=1) / np.float32(127)).astype(np.float16)
            np.testing.assert_array_equal(deployment.tensors[f"{name}_scale"], scale, err_msg=name)
            divisor = scale.astype(np.float32)[:, None]
            trained = np.clip(np.rint(np.divide(trained, divisor, out=np.zeros_like(trained), where=divisor > 0)),
                              -127, 127)
        np.testing.assert_array_equal(exported, trained.astype(exported.dtype), err_msg=name)


def largest_per_token(logits: np.ndarray) -> np.ndarray:
    return np.abs(logits).max(axis=-1)


def test_contexts_without_a_flip_agree_to_single_precision(deployment, program) -> None:
    trainer = deployment.logits(program("tests/parity/trainer_logits"), SHORT)
    runtime = deployment.logits(program("tests/parity/runtime_logits"), SHORT)
    difference = largest_per_token(runtime - trainer) / largest_per_token(trainer)  # [sequences, tokens]
    shares = (difference <= 4 * deployment.error).mean(axis=0)
    print(f"within {4 * deployment.error:.1e} of the largest logit: {shares[0]:.0%} of the first tokens, {shares[1]:.0%} "
          f"of the second; the others' median difference {np.median(difference):.1e}")
    assert shares[0] >= SHARE_WITHOUT_FLIP
    assert shares[1] > 0, "no token that attends to another agrees"


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def test_a_long_context_differs_by_rounding_alone(deployment, program) -> None:
    assert value(deployment.reader, "bitmar.memory.enabled")
    assert value(deployment.reader, "bitmar.memory.usage_floor") == pytest.approx(FLOOR)
    reference = deployment.reference(LONG)[0]  # [tokens, V]
    noise = [deployment.reference(LONG, seed)[0] - reference for seed in range(NOISY_RUNS)]
    average, tolerance = (limit * max(map(size, noise)) for limit, size in
                          ((1.25, root_mean_square), (1.5, lambda values: np.abs(values).max())))
    # The model tells its tokens apart by far more than that: a degenerate one would agree with anything.
    assert reference.std(axis=0).mean() > 5 * average

    sides = {side: deployment.logits(program(f"tests/parity/{side}_logits"), LONG)[0] for side in
             ("trainer", "runtime")}
    for side, logits in sides.items():
        error = logits - reference
        print(f"{side}: differs from double precision by {root_mean_square(error):.5f} on average ({average:.5f} "
              f"allowed), {np.abs(error).max():.4f} at most ({tolerance:.4f}); the logits' deviation {reference.std():.3f}")
        assert root_mean_square(error) <= average, side
        assert np.abs(error).max() <= tolerance, side

    second, best = np.sort(sides["trainer"], axis=-1)[:, -2:].T
    decided = best - second > 2 * tolerance
    same = sides["trainer"].argmax(axis=-1) == sides["runtime"].argmax(axis=-1)
    print(f"greedy tokens: {decided.sum()} of {len(decided)} decided by more than the tolerance; {same.sum()} the same")
    assert decided.any()
    assert same[decided].all()
