"""A training run that is killed again and again repeats the uninterrupted one bit for bit, on one thread."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from programs import output_of
from safetensors.torch import load_file
from tiny_training import TinyTraining

STEPS, KILLS = 240, 3
SETTINGS = {"steps": STEPS, "checkpoint_every": 11, "evaluate_every": 60, "evaluate_batches": 2, "caption_samples": 1,
            "diagnostics_every": 50, "vision_dropout": 0.2}


def train_until_killed(command: list, log: Path, step: int, pause: float) -> int:
    """Kills the run `pause` seconds after it logged `step`; returns how many steps it logged."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 120
        while not log.exists() or log.read_bytes().count(b"\n") < step:
            assert process.poll() is None, f"the run ended by itself: {process.stderr.read().decode()}"
            assert time.monotonic() < deadline, f"no step {step} within two minutes"
            time.sleep(0.002)
        time.sleep(pause)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "the run was over before it was killed"
    return log.read_bytes().count(b"\n")


@pytest.mark.parametrize("seed, variant", [
    (1, {"optimizer__state": "8bit"}),
    (2, {"optimizer__state": "32bit", "objective__sampled_core": 16, "objective__sampled_negatives": 32}),
], ids=["8bit", "32bit-sampled-vocabulary"])
def test_killed_at_three_random_moments(program, tmp_path, seed, variant) -> None:
    training = TinyTraining(tmp_path, program("bitmar-train"))
    settings = SETTINGS | variant
    whole = training.run("whole", **settings)

    generator = random.Random(seed)
    log = tmp_path / "cut" / "log" / "log.jsonl"
    moments = sorted(generator.sample(range(3, STEPS * 3 // 4), KILLS))
    reached = [train_until_killed(training.command("cut", resume=moment != moments[0], **settings), log, moment,
                                  generator.uniform(0, 0.03)) for moment in moments]
    output_of(training.command("cut", resume=True, **settings))
    print(f"killed after {', '.join(map(str, reached))} of {STEPS} steps")

    # Numbers are logged with as many digits as tell doubles apart: equal lines are equal bits.
    expected = training.log("whole")
    assert [line["step"] for line in expected] == list(range(1, STEPS + 1))
    assert len({line["loss/total"] for line in expected}) > STEPS * 0.9
    assert training.log("cut") == expected

    name = f"checkpoints/step-{STEPS:08}.safetensors"
    tensors, resumed = load_file(whole / name), load_file(tmp_path / "cut" / name)
    assert tensors.keys() == resumed.keys()
    assert [key for key in tensors if not torch.equal(tensors[key], resumed[key])] == []
