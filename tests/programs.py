"""Runs a program under test."""

import shutil
import subprocess

import pytest


def output_of(command: list, stdin: bytes | None = None) -> bytes:
    """What it prints; fails the test with its own message where it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True)
    if done.returncode != 0:
        pytest.fail(f"{command[0]} exited with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def together(processes: int, command: list) -> list:
    """The command in several processes of this machine; skips the test where there is no mpirun."""
    if shutil.which("mpirun") is None:
        pytest.skip("no mpirun")
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(processes)] + command
