#!/usr/bin/env python3
"""Compares the text that the builds of greedy.cpp generate: every instruction set, 1, 2 and 4 threads.

    compare_greedy.py MODEL.gguf BUILD_FOLDER...

Exits 1 where any differs from the first, which is a scalar one.
"""

import pathlib
import subprocess
import sys

# Whether the logits' bits must be equal too, not only the tokens.
SAME_BITS = True
THREADS = ["1", "2", "4"]


def results(folder: pathlib.Path, model: str):
    """Yields (name, tokens, hash of the last logits) of every run of the build."""
    for line in (folder / "tests/portability/greedy.commands").read_text().splitlines():
        command = [part for part in line.split(";") if part]
        printed = subprocess.run([*command, model, *THREADS], capture_output=True, text=True)
        if printed.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit status {printed.returncode}\n{printed.stderr}")
        processor = f" on {command[command.index('-cpu') + 1]}" if "-cpu" in command else ""
        runs = printed.stdout.splitlines()
        if not runs or len(runs) % len(THREADS) != 0:
            sys.exit(f"{' '.join(command)}: printed {len(runs)} lines; expected one an instruction set and thread count")
        for run in runs:
            isa, threads, bits, *tokens = run.split()
            yield f"{folder.name}: {isa}{processor}, {threads} threads", tokens, bits


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    model = pathlib.Path(sys.argv[1]).resolve()  # WASI programs run in /
    runs = [run for folder in sys.argv[2:] for run in results(pathlib.Path(folder), str(model))]
    _, expected, expected_bits = runs[0]
    differ = 0
    for name, tokens, bits in runs:
        same = sum(1 for ours, theirs in zip(tokens, expected) if ours == theirs)
        first = next((i for i, (ours, theirs) in enumerate(zip(tokens, expected)) if ours != theirs), len(tokens))
        verdict = "same" if tokens == expected else f"DIFFERS from token {first} on ({same} of {len(expected)} equal)"
        differ += tokens != expected or (SAME_BITS and bits != expected_bits)
        print(f"{name}: {verdict}; logits {bits}{'' if bits == expected_bits else ' (other bits)'}")
    if len(expected) < 64:
        sys.exit(f"only {len(expected)} tokens")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
