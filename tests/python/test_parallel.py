"""Training on several processes: one curve on any number of them, and what happens where one is lost.

With two batches a step on two processes every sum has two terms, so that the curve is the single process' bit for bit.
More terms are summed in another order.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from programs import output_of, together
from safetensors.torch import load_file
from tiny_training import TinyTraining

SETTINGS = {"steps": 40, "checkpoint_every": 10, "evaluate_every": 20, "evaluate_batches": 2, "caption_samples": 1,
            "diagnostics_every": 8, "vision_dropout": 0.2}


@pytest.fixture
def training(program, tmp_path) -> TinyTraining:
    trainer = program("bitmar-train")
    training = TinyTraining(tmp_path, trainer)
    done = subprocess.run(together(2, [trainer, "train", "--config", "none.toml"]), capture_output=True)
    if b"built without MPI" in done.stderr:
        pytest.skip("bitmar-train was built without MPI")
    return training


def checkpoint(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / f"checkpoints/step-{step:08}.safetensors")


def assert_same_run(training: TinyTraining, name: str, expected: str) -> None:
    """Every logged number and every bit of the last checkpoint."""
    log = training.log(expected)
    assert len({line["loss/total"] for line in log}) > SETTINGS["steps"] * 0.9
    assert training.log(name) == log
    ours, theirs = (checkpoint(training.folder / each, SETTINGS["steps"]) for each in (name, expected))
    assert ours.keys() == theirs.keys()
    assert [key for key in theirs if not torch.equal(ours[key], theirs[key])] == []


@pytest.mark.parametrize("variant", [
    {},
    {"objective__sampled_core": 16, "objective__sampled_negatives": 32},
    {"autocast": "bf16", "checkpoint_activations": True, "optimizer__state": "32bit"},
    {"model__memory": False, "data__mixture_unit": "tokens"},
    {"practice": True},
], ids=["default", "sampled-vocabulary", "bf16", "no-memory", "practice"])
def test_two_processes_repeat_one(training, variant) -> None:
    settings = SETTINGS | variant
    training.run("one", **settings)
    output_of(together(2, training.command("two", **settings)))
    assert_same_run(training, "two", "one")
    practised = any("stream/practice/reward" in line for line in training.log("two"))
    assert practised == variant.get("practice", False)


def test_more_batches_than_processes(training) -> None:
    """Four batches a step on 1, 2 and 3 processes: the order of sums alone tells the curves apart.

    That moves a weight by its last bit. Seldom, it crosses a threshold of the quantizers or changes the slots that a
    write chooses: then one element is another one, which one step's loss shows and the next ones do not.
    """
    settings = SETTINGS | {"steps": 20, "accumulation": 4, "controller__enabled": False}
    training.run("1", **settings)
    expected = np.array([line["loss/total"] for line in training.log("1")])
    for processes in (2, 3):
        output_of(together(processes, training.command(str(processes), **settings)))
        losses = np.array([line["loss/total"] for line in training.log(str(processes))])
        differences = np.abs(losses - expected) / expected
        print(f"{processes} processes: differences of the losses: median {np.median(differences):.2g}, "
              f"greatest {differences.max():.2g}")
        assert losses.shape == expected.shape
        assert differences[:3].max() <= 1e-6
        assert np.median(differences) <= 1e-5
        assert differences.max() <= 1e-2
        for line, reference in zip(training.log(str(processes)), training.log("1"), strict=True):
            assert line["train/tokens"] == reference["train/tokens"]


def test_resumes_on_other_numbers_of_processes(training) -> None:
    """Steps 1 to 10 on one process, to 20 on two, to the end on one."""
    training.run("whole", **SETTINGS)
    for processes, resume, steps in ((1, False, 20), (2, True, 30), (1, True, SETTINGS["steps"])):
        command = training.command("parts", resume=resume, **SETTINGS | {"steps": steps})
        output_of(together(processes, command) if processes > 1 else command)
        if steps < SETTINGS["steps"]:  # as if it had been killed after step 10, after step 20
            (training.folder / f"parts/checkpoints/step-{steps:08}.safetensors").unlink()
    assert_same_run(training, "parts", "whole")


def test_a_limit_by_time_ends_all(training) -> None:
    settings = SETTINGS | {"steps": 100000, "minutes": 0.03, "checkpoint_every": 0, "evaluate_every": 0}
    output_of(together(2, training.command("timed", **settings)))
    log = training.log("timed")
    assert 0 < len(log) < settings["steps"]
    assert checkpoint(training.folder / "timed", log[-1]["step"])


def process_of(launcher: int, rank: int) -> int:
    """The process of a rank among the children of mpirun."""
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or int((entry / "stat").read_text().rpartition(")")[2].split()[1]) != launcher:
                continue
            if f"OMPI_COMM_WORLD_RANK={rank}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    raise AssertionError(f"no process of rank {rank}")


@pytest.mark.parametrize("rank, blow", [(1, signal.SIGKILL), (0, signal.SIGKILL), (1, signal.SIGSTOP)],
                         ids=["worker-killed", "leader-killed", "worker-hangs"])
def test_a_lost_process_ends_the_run(training, rank, blow) -> None:
    settings = SETTINGS | {"steps": 2000, "evaluate_every": 0, "diagnostics_every": 0}
    log = training.folder / "cut" / "log" / "log.jsonl"
    run = subprocess.Popen(together(2, training.command("cut", **settings) + ["--silence", "3"]),
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not log.exists() or log.read_bytes().count(b"\n") < 15:
            assert run.poll() is None, f"the run ended by itself: {run.stderr.read()}"
            assert time.monotonic() < deadline, "no step 15 within two minutes"
            time.sleep(0.005)
        lost = process_of(run.pid, rank)
        os.kill(lost, blow)
        started = time.monotonic()
        _, message = run.communicate(timeout=60)
    finally:
        run.kill()
    print(f"ended after {time.monotonic() - started:.1f} s:\n{message}")
    assert run.returncode != 0
    line = next(line for line in message.splitlines() if line.startswith("bitmar-train: error: lost"))
    assert f"rank {rank} (process {lost} on " in line
    assert "--resume" in line and str(training.folder / "cut") in line

    # On it goes, as if nothing had happened.
    reached = len(training.log("cut"))
    steps = (reached // 10 + 2) * 10
    output_of(together(2, training.command("cut", resume=True, **settings | {"steps": steps})))
    training.run("whole", **settings | {"steps": steps})
    whole = training.log("whole")
    assert len(whole) == steps
    assert training.log("cut") == whole


def test_refusals_are_one_line(training) -> None:
    def error_of(command: list) -> str:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode != 0
        lines = [line for line in done.stderr.splitlines() if line.startswith("bitmar-train: error:")]
        assert len(lines) == 1, done.stderr
        return lines[0]

    assert "train.accumulation is 2, but 3 processes" in error_of(
        together(3, training.command("few", **SETTINGS)))
    assert "train.stepps" in error_of(
        together(2, training.command("key", **SETTINGS) + ["--set", "train.stepps=3"]))
    # The two processes read different configurations.
    command = [str(part) for part in training.command("other", **SETTINGS)]
    script = 'exec "$@" --set train.seed=$((OMPI_COMM_WORLD_RANK + 1))'
    assert "rank 1: the configuration is not the same" in error_of(together(2, ["sh", "-c", script, "sh", *command]))
    assert not (training.folder / "other" / "checkpoints").exists()
    training.run("done", **SETTINGS | {"steps": 2})
    assert "has checkpoints already" in error_of(
        together(2, training.command("done", **SETTINGS)))


def test_other_commands_are_for_one_process(training) -> None:
    done = subprocess.run(together(2, [training.trainer, "prepare", "--config", "none.toml"]), capture_output=True,
                          text=True)
    assert done.returncode != 0
    assert "prepare runs in one process" in done.stderr
