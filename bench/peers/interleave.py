"""Peer and BitMar by turns in one run: timing, medians, the machine, tables.

Both sides answer the same commands ("prefill 256", "decode 64", "encode") with seconds. They take turns, so that
whatever slows the machine down slows both.

    ours = Ours("model", Path("models/bitmar-14m.gguf"), photo, threads=1)
    row = compare("llama.cpp Q8_0", peer, ours, "decode 64", rounds=15)
    print(table([row]))
"""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "bitmar-14m.gguf"
PHOTO = ROOT / "examples" / "chelsea.jpg"
PACKAGES = ("llama-cpp-python", "gguf", "numpy", "torch")
# Threads that wait for work by spinning are parked after this, and leave the cores to the other side.
SETTLE_SECONDS = 0.02
COMMANDS = ("prefill 256", "decode 64")
VOCABULARY = 50257
PROMPT_TOKENS = 4  # <|endoftext|> and "A photo of", which ours.cpp reads before it decodes


def spread_tokens(count: int) -> list[int]:
    """The ids that ours.cpp reads too."""
    return [(i * 7919 + 13) % VOCABULARY for i in range(count)]


class Side(Protocol):
    """One of the two: loaded, with its threads."""

    threads: int

    def time(self, command: str) -> float:
        """Carries out a command once; its seconds."""


class Ours:
    """BitMar, in a process of its own (ours.cpp) that stays loaded between the turns."""

    def __init__(self, kind: str, file: Path, photo: Path, threads: int, program: Path | None = None) -> None:
        program = program or ROOT / "build" / "bench" / "peer_timer"
        self.threads = threads
        self._process = subprocess.Popen([program, kind, file, photo, str(threads)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self.isa = self._answer().removeprefix("ready ")

    def _answer(self) -> str:
        line = self._process.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{self._process.args[0]} stopped with exit status {self._process.wait()}")
        if line.startswith("error "):
            raise SystemExit(line)
        return line

    def time(self, command: str) -> float:
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return float(self._answer()) * 1e-6

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@dataclass(frozen=True)
class Row:
    """One comparison; all times in seconds."""

    peer: str
    command: str
    threads: int
    peer_seconds: list[float]
    our_seconds: list[float]

    @property
    def ratio(self) -> float:
        """How many times faster we are: of the medians."""
        return statistics.median(self.peer_seconds) / statistics.median(self.our_seconds)

    @property
    def ratio_of_minima(self) -> float:
        return min(self.peer_seconds) / min(self.our_seconds)

    def as_json(self) -> dict:
        summaries = {f"{side}_{name}_seconds": function(seconds)
                     for side, seconds in (("peer", self.peer_seconds), ("our", self.our_seconds))
                     for name, function in (("median", statistics.median), ("minimum", min))}
        return asdict(self) | summaries | {"ratio": self.ratio, "ratio_of_minima": self.ratio_of_minima}


def one_turn(side: Side, command: str, warm_up: bool) -> float:
    """The second of two goes: the first one brings the side's data back into the caches."""
    time.sleep(SETTLE_SECONDS)
    if warm_up:
        side.time(command)
    return side.time(command)


def compare(name: str, peer: Side, ours: Side, command: str, rounds: int, warm_up: bool = True) -> Row:
    """Peer, ours, peer, ours, ... `rounds` times. `warm_up`: each turn does its work twice."""
    if peer.threads != ours.threads:
        raise ValueError(f"{name} has {peer.threads} threads, BitMar {ours.threads}; expected as many")
    turns = [(one_turn(peer, command, warm_up), one_turn(ours, command, warm_up)) for _ in range(rounds)]
    return Row(name, command, ours.threads, [turn[0] for turn in turns], [turn[1] for turn in turns])


def fastest_peer(rows: Iterable[Row]) -> Row:
    """The row of the peer's best round, which other load on the machine disturbs least."""
    return min(rows, key=lambda row: min(row.peer_seconds))


def number(command: str, seconds: float) -> str:
    """Tokens a second where the command counts tokens, else milliseconds."""
    count = command.split()[1:]
    return f"{int(count[0]) / seconds:,.0f}" if count else f"{seconds * 1e3:.2f}"


def table(rows: Iterable[Row]) -> str:
    """Markdown; medians, with the best round in brackets."""
    lines = ["| peer | threads | measure | peer (best round) | BitMar (best round) | ratio | of best rounds |",
             "|---|---:|---|---:|---:|---:|---:|"]
    for row in rows:
        unit = "tokens/s" if " " in row.command else "ms"
        sides = [f"{number(row.command, statistics.median(seconds))} ({number(row.command, min(seconds))})"
                 for seconds in (row.peer_seconds, row.our_seconds)]
        lines.append(f"| {row.peer} | {row.threads} | {row.command}, {unit} | {sides[0]} | {sides[1]} | "
                     f"{row.ratio:.2f} | {row.ratio_of_minima:.2f} |")
    return "\n".join(lines)


def _first_match(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else "unknown"


def _readable(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unreadable"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def machine() -> dict:
    """What the numbers depend on, but for "bitmar_isa": the kernels that BitMar chose."""
    processor = _readable("/proc/cpuinfo")
    flags = _first_match(r"^(?:flags|Features)\s*:(.*)$", processor).split()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {"processor": _first_match(r"^model name\s*:(.*)$", processor),
            "instruction_sets": [flag for flag in flags if re.match(r"avx|amx|fma|f16c|asimd|sve|i8mm|bf16", flag)],
            "cores": os.cpu_count(),
            "governor": _readable("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            "load_before": os.getloadavg()[0],
            "kernel": platform.release(),
            "python": platform.python_version(),
            "packages": {package: _version(package) for package in PACKAGES},
            "bitmar": commit.stdout.strip() or "unknown"}


def describe(description: dict) -> str:
    """The machine as one Markdown line."""
    versions = ", ".join(f"{name} {version}" for name, version in description["packages"].items()
                         if version != "absent")
    return (f"{description['processor']}, {description['cores']} cores, governor {description['governor']}, "
            f"load {description['load_before']:.1f} before the run; BitMar {description['bitmar']} on "
            f"{description['bitmar_isa']}; {versions}")


def write_json(path: Path, description: dict, rows: Iterable[Row], **more) -> None:
    """All rounds of all rows."""
    document = {"machine": description, "rows": [row.as_json() for row in rows]} | more
    path.write_text(json.dumps(document, indent=2) + "\n")
