#!/usr/bin/env python3
"""Trains variants of one configuration, one after the other, and prints what the last evaluation of each gave.

    scripts/compare_recipes.py configs/recipe-search.toml "seed 2: train.seed=2" "peak 4e-3: schedule.peak=4e-3"

A variant is a name, a colon, and overrides as `bitmar-train --set` takes them; the configuration itself comes first. Its
run lies below the configuration's own (`train.run`), in a folder of its name. A run that is there is not made again; one
that was interrupted goes on. The output is a Markdown table.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parse_variant(text: str) -> tuple[str, list[str]]:
    name, colon, overrides = text.partition(":")
    if not colon or not name.strip() or not all("=" in word for word in overrides.split()):
        raise argparse.ArgumentTypeError(f"'{text}': expected 'name: table.key=value …'")
    return name.strip(), overrides.split()


def last_evaluation(run: Path) -> dict[str, float]:
    """The scalars of the last logged step that has an evaluation; empty without one."""
    log = run / "log" / "log.jsonl"
    if not log.exists():
        return {}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    evaluated = [line for line in lines if any(key.startswith("validation/") for key in line)]
    return evaluated[-1] if evaluated else {}


def train(trainer: Path, config: Path, run: Path, steps: int, overrides: list[str]) -> dict[str, float]:
    result = last_evaluation(run)
    if result.get("step") == steps:
        return result
    command = [str(trainer), "train", "--config", str(config), "--set", f'train.run="{run}"']
    for override in overrides:
        command += ["--set", override]
    if (run / "checkpoints").exists():
        command.append("--resume")
    print(f"{run.name}: {' '.join(overrides) or 'as configured'}", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
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
    parser.add_argument("--trainer", type=Path, default=ROOT / "build-train" / "bitmar-train")
    arguments = parser.parse_args()
    settings = tomllib.loads(arguments.config.read_text())["train"]
    results = []
    for name, overrides in [("base", []), *arguments.variants]:
        folder = Path(settings["run"]) / re.sub(r"[^A-Za-z0-9.-]+", "-", name)
        scalars = train(arguments.trainer, arguments.config, folder, settings["steps"], overrides)
        results.append((name, overrides, scalars))
    print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
