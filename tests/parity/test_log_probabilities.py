"""The log-probabilities that libbitmar gives to a text's tokens against the model of reference_model.py in double precision,
of which it knows no more than the file and the formulas.

Tolerances: as in test_trainer_runtime.py. The reference runs again with the noise of FP32 at every rounding of activations,
which tells how far flipped codes lead; the library may differ from the undisturbed reference by a quarter more than those
runs do on average, and in a single token by half as much again as the farthest of theirs. A wrong place of a token, or a
wrong normalisation, leads much farther: a text's log-probabilities differ by several nats from token to token.
"""

from pathlib import Path

import numpy as np
import pytest
from deployed_model import DeployedModel

ROOT = Path(__file__).resolve().parents[2]
TOKENS = 160
NOISY_RUNS = 3


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def test_a_text(bitmar, model_path: Path) -> None:
    engine = bitmar.Engine(model_path)
    ids = [engine.end_of_text, *engine.tokenize((ROOT / "LICENSE").read_text())][: TOKENS + 1]
    assert len(ids) == TOKENS + 1
    scores = bitmar.Session(engine, memory=bitmar.MemoryMode.READ_ONLY).score(ids, 1)
    found = np.array([score.log_probability for score in scores])

    deployed = DeployedModel(model_path)
    tokens = np.array(ids)

    def reference(noise_seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities [TOKENS, V], and those of the text [TOKENS]."""
        rows = log_softmax(deployed.double_precision_logits(tokens[:-1], noise_seed=noise_seed))
        return rows, rows[np.arange(TOKENS), tokens[1:]]

    rows, expected = reference()
    noise = np.array([reference(seed)[1] - expected for seed in range(NOISY_RUNS)])
    average = 1.25 * np.sqrt((noise**2).mean(axis=1)).max()
    farthest = 1.5 * np.abs(noise).max()
    error = found - expected
    print(f"{TOKENS} tokens, {expected.mean():.4f} nats on average: differ by {np.sqrt((error**2).mean()):.1e} on average "
          f"({average:.1e} allowed), {np.abs(error).max():.1e} at most ({farthest:.1e}); by {error.mean():.1e} in the mean")
    assert expected.std() > 20 * average
    assert np.sqrt((error**2).mean()) <= average
    assert np.abs(error).max() <= farthest

    second, best = np.sort(rows, axis=-1)[:, -2:].T
    decided = best - second > 2 * farthest
    assert decided.any()
    most_likely = np.array([score.most_likely for score in scores])
    assert most_likely.any()
    assert not most_likely.all()
    np.testing.assert_array_equal(most_likely[decided], (rows.argmax(axis=-1) == tokens[1:])[decided])


def test_memory_and_context_count(bitmar, model_path: Path) -> None:
    """The memory is read where it is on, and scores do not depend on where the scored part begins."""
    engine = bitmar.Engine(model_path)
    ids = [engine.end_of_text, *engine.tokenize("A dog is running through the grass.")]

    def score(mode, context: int) -> list[float]:
        return [each.log_probability for each in bitmar.Session(engine, memory=mode).score(ids, context)]

    whole = score(bitmar.MemoryMode.READ_ONLY, 1)
    for context in range(2, len(ids)):
        assert score(bitmar.MemoryMode.READ_ONLY, context) == pytest.approx(whole[context - 1 :], abs=1e-11)
    assert score(bitmar.MemoryMode.OFF, 1) != pytest.approx(whole, abs=1e-6)
