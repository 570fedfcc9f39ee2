#!/usr/bin/env python3
"""Trains variants of one configuration, one after the other, and prints what the last evaluation of each gave.

    scripts/compare_recipes.py configs/recipe-search.toml "seed 2: train.seed=2" "peak 4e-3: schedule.peak=4e-3"

A variant is a name, a colon, and overrides as `bitmar-train --set` takes them; the configuration itself comes first. A
variant's run lies in a folder that its overrides name: a finished one is not made again, an interrupted one goes on. Another
configuration, or the same one changed, needs other `--runs`. The output is a Markdown table.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parse_variant(text: str) -> tuple[str, list[str]]:
    name, colon, overrides = text.partition(":")
    if not colon or not name.strip() or not all("=" in word for word in overrides.split()):
        raise argparse.ArgumentTypeError(f"'{text}': expected 'name: table.key=value …'")
    return name.strip(), overrides.split()


def folder_name(overrides: list[str]) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(sorted(overrides))) or "base"


def last_evaluation(run: Path) -> dict[str, float]:
    """The scalars of the last logged step that has an evaluation."""
    lines = [json.loads(line) for line in (run / "log" / "log.jsonl").read_text().splitlines()]
    evaluated = [line for line in lines if any(key.startswith("validation/") for key in line)]
    if not evaluated:
        raise SystemExit(f"{run}: its log has no evaluation; expected [[data.validation]] and train.evaluate_every")
    return evaluated[-1]


def train(trainer: Path, config: Path, run: Path, overrides: list[str]) -> dict[str, float]:
    command = [str(trainer), "train", "--config", str(config)]
    for override in [*overrides, f"train.run={json.dumps(str(run))}"]:
        command += ["--set", override]
    if (run / "checkpoints").exists():
        command.append("--resume")
    print(f"{run}: {' '.join(overrides) or 'as configured'}", file=sys.stderr, flush=True)
    status = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
    if status != 0:
        raise SystemExit(f"{run}: bitmar-train ended with exit status {status}")
    return last_evaluation(run)


def print_table(results: list[tuple[str, list[str], dict[str, float]]]) -> None:
    streams = [key.split("/")[1] for key in results[0][2] if re.fullmatch(r"validation/[^/]+/perplexity", key)]
    cosines = [stream for stream in streams if f"validation/{stream}/cosine" in results[0][2]]
    columns = [f"validation/{stream}/perplexity" for stream in streams]
    columns += [f"validation/{stream}/cosine" for stream in cosines]
    print("| variant | settings | " + " | ".join(column.removeprefix("validation/") for column in columns) + " |")
    print("|---" * (2 + len(columns)) + "|")
    for name, overrides, scalars in results:
        values = [f"{scalars[column]:.{3 if 'cosine' in column else 1}f}" for column in columns]
        print(f"| {name} | {' '.join(overrides) or '-'} | {' | '.join(values)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("variants", type=parse_variant, nargs="*", metavar="'NAME: KEY=VALUE …'")
    parser.add_argument("--runs", type=Path, help="the folder of the runs' folders (runs/CONFIG)")
    parser.add_argument("--trainer", type=Path, default=ROOT / "build-train" / "bitmar-train")
    arguments = parser.parse_intermixed_args()
    runs = arguments.runs or Path("runs") / arguments.config.stem
    results = []
    for name, overrides in [("base", []), *arguments.variants]:
        scalars = train(arguments.trainer, arguments.config, runs / folder_name(overrides), overrides)
        results.append((name, overrides, scalars))
    print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
