#!/usr/bin/env python3
"""Checks that folders depend only on the layers below them, and that no source file outgrows 400 lines.

Every `#include "…"` of our own headers is resolved against the repository; the table below lists all that a layer may
include. Prints one line a violation and exits 1, or the number of files checked.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINE_LIMIT = 400

RUNTIME = {"base", "kernels", "io", "text", "image", "model/schema", "model", "runtime"}
# layer -> what it may include besides itself
ALLOWED = {
    "base": set(),
    "ternary_format": {"base"},
    "kernels": {"base", "ternary_format"},
    "io": {"base"},
    "text": {"base"},
    "image": {"base"},
    "model/schema": {"base", "io", "ternary_format"},
    "model": {"base", "kernels", "io", "model/schema", "ternary_format"},
    "runtime": {"base", "kernels", "io", "text", "image", "model/schema", "model"},
    "capi": RUNTIME | {"include"},
    "include": set(),
    "eval/statistics": {"base"},
    "eval/metrics": {"base"},
    "eval": RUNTIME | {"eval/statistics", "eval/metrics"},
    "apps": RUNTIME | {"eval", "eval/statistics", "eval/metrics", "capi", "include"},
    "train": {"base", "io", "text", "image", "model/schema", "ternary_format", "eval/statistics", "eval/metrics"},
    "bench": RUNTIME | {"capi", "include", "ternary_format"},
    "tests": RUNTIME | {"capi", "include", "eval", "eval/statistics", "eval/metrics", "train", "apps", "ternary_format"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def layer_of(path: str) -> str | None:
    """The layer of a repository path."""
    parts = path.split("/")
    if path.startswith("src/kernels/ternary_format"):
        return "ternary_format"
    for layer in ("model/schema", "eval/statistics", "eval/metrics"):
        if path.removeprefix("src/").startswith(f"{layer}/"):
            return layer
    return parts[1] if parts[0] == "src" else parts[0]


def resolve(include: str, source: pathlib.PurePosixPath, files: set[str]) -> str | None:
    for candidate in (f"src/{include}", f"include/{include}", include, str(source.parent / include)):
        if candidate in files:
            return candidate
    return None


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
        check=True).stdout.split()
    files = {name for name in listed if name.endswith((".h", ".hpp", ".cpp", ".c")) and (ROOT / name).exists()}
    problems = []
    for name in sorted(files):
        lines = (ROOT / name).read_text().splitlines()
        if len(lines) > LINE_LIMIT:
            problems.append(f"{name}: {len(lines)} lines, more than {LINE_LIMIT}")
        layer = layer_of(name)
        allowed = set(ALLOWED.get(layer, set())) | {layer}
        if name.endswith(("_test.cpp", "_test.c", "_test_support.h")):
            allowed |= {"tests"}
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            target = resolve(match.group(1), pathlib.PurePosixPath(name), files) if match else None
            if target is None:
                continue
            if layer_of(target) not in allowed:
                problems.append(f"{name}:{number}: {layer} may not include {target}")
    for problem in problems:
        print(problem)
    if not problems:
        print(f"layers: {len(files)} files, all includes point down")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
