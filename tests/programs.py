"""Runs a program under test."""

import subprocess

import pytest


def output_of(command: list, stdin: bytes | None = None) -> bytes:
    """What it prints; fails the test with its own message where it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True)
    if done.returncode != 0:
        pytest.fail(f"{command[0]} exited with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout
