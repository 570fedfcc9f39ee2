"""Is the loss curve of the fast path (autocast = "bf16": integer products forward, BF16 gradients, the fused vocabulary
loss) that of the FP32 reference (autocast = "off"), within the noise of the initialisation?

    .venv/bin/python tests/parity/loss_curves.py --text corpus.txt      # some minutes; default text: a Markov chain

Trains a small model with either setting from several seeds, on the same batches in the same order. The noise is the
difference of two seeds under one setting, the effect that of the two settings under one seed, both of losses averaged over
WINDOW steps. Exits 1 where the mean effect is larger than the mean noise.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = 4096
MODEL = {"vocabulary": VOCABULARY, "width": 64, "heads": 2, "ffn_hidden": 256, "encoder_layers": 2, "decoder_layers": 2,
         "memory_slots": 64}
SETTINGS = ("off", "bf16")
WINDOW = 50


def markov_text(words: int) -> str:
    """Sentences of a made-up language: each word has a few likely successors."""
    generator = np.random.default_rng(3)
    syllables = ["ba", "do", "ki", "lu", "me", "no", "su", "ta", "ri", "pe"]
    names = ["".join(parts) for parts in itertools.product(syllables, repeat=3)]
    successors = generator.integers(0, len(names), (len(names), 8))
    weights = 1 / np.arange(1, 9)
    choices = generator.choice(8, words, p=weights / weights.sum())
    jumps = generator.random(words) < 0.1
    text, word = [], 0
    for i in range(words):
        word = int(generator.integers(len(names))) if jumps[i] else int(successors[word, choices[i]])
        text.append(names[word] + ("\n" if i % 20 == 19 else " "))
    return "".join(text)


def write_config(folder: Path, options: argparse.Namespace) -> Path:
    merges = (ROOT / "models" / "gpt2-merges.txt").read_text().splitlines()
    kept = [line for line in merges if not line.startswith("#")][: VOCABULARY - 257]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *kept]) + "\n")
    text = options.text
    if text is None:
        text = folder / "text.txt"
        text.write_text(markov_text(400_000))
    tables = {"model": MODEL,
              "data": {"root": str(folder), "shards": str(folder / "shards"), "merges": str(folder / "merges.txt")},
              "schedule": {"kind": "cosine", "peak": 2e-3, "warmup_steps": 50},
              "controller": {"enabled": False},
              "train": {"run": str(folder / "run"), "steps": options.steps, "threads": options.threads, "log_every": 1,
                        "diagnostics_every": 0, "checkpoint_every": 0}}
    lists = {"source": {"name": "text", "kind": "text", "path": str(text.resolve()), "max_words": 2_000_000},
             "train": {"name": "text", "sources": ["text"], "rows": 16, "segments": 2, "length": 64}}
    lines = []
    for table, entries in tables.items():
        lines += [f"[{table}]"] + [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    for table, entries in lists.items():
        lines += [f"[[data.{table}]]"] + [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    path = folder / "config.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def curve(trainer: Path, config: Path, setting: str, seed: int) -> list[float]:
    """The language loss of every step."""
    run = config.parent / f"{setting}-{seed}"
    print(f"autocast {setting}, seed {seed}", file=sys.stderr)
    subprocess.run([trainer, "train", "--quiet", "--config", config, "--set", f'train.run="{run}"', "--set",
                    f'train.autocast="{setting}"', "--set", f"train.seed={seed}"], check=True, stdout=subprocess.DEVNULL)
    lines = (run / "log" / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss/language"] for line in lines]


def smoothed(losses: list[float]) -> list[float]:
    return [statistics.fmean(losses[i : i + WINDOW]) for i in range(0, len(losses) - WINDOW + 1, WINDOW)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", type=Path, default=ROOT / "build-train" / "bitmar-train")
    parser.add_argument("--text", type=Path, help="a plain text file (default: a made-up language)")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=2, help="how many, at least 2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="all curves")
    options = parser.parse_args()
    if options.seeds < 2 or options.steps < WINDOW:
        parser.error(f"expected at least 2 seeds and {WINDOW} steps")
    seeds = range(1, options.seeds + 1)
    with tempfile.TemporaryDirectory() as name:
        config = write_config(Path(name), options)
        subprocess.run([options.trainer, "prepare", "--config", config], check=True, stdout=subprocess.DEVNULL)
        curves = {(setting, seed): curve(options.trainer, config, setting, seed)
                  for setting in SETTINGS for seed in seeds}
    means = {key: smoothed(losses) for key, losses in curves.items()}
    columns = list(means)
    print("| steps | " + " | ".join(f"{setting}, seed {seed}" for setting, seed in columns) + " | effect | noise |")
    print("|---|" + "---:|" * (len(columns) + 2))
    effects, noises = [], []
    for window in range(len(means[columns[0]])):
        at = {key: mean[window] for key, mean in means.items()}
        effects.append(statistics.fmean(abs(at["off", seed] - at["bf16", seed]) for seed in seeds))
        noises.append(statistics.fmean(abs(at[setting, a] - at[setting, b]) for setting in SETTINGS
                                       for a, b in itertools.combinations(seeds, 2)))
        losses = " | ".join(f"{at[key]:.4f}" for key in columns)
        print(f"| {window * WINDOW + 1}-{(window + 1) * WINDOW} | {losses} | {effects[-1]:.4f} | {noises[-1]:.4f} |")
    effect, noise = statistics.fmean(effects), statistics.fmean(noises)
    bias = statistics.fmean(means["bf16", seed][w] - means["off", seed][w] for seed in seeds
                            for w in range(len(effects)))
    print(f"\nmean effect {effect:.4f}, mean noise {noise:.4f}; bf16 less off, with its sign: {bias:+.4f}")
    if options.json:
        options.json.write_text(json.dumps({f"{setting}-{seed}": losses for (setting, seed), losses in curves.items()}))
    if effect > noise:
        sys.exit("the fast path's loss curve differs from the reference's by more than the noise")


if __name__ == "__main__":
    main()
