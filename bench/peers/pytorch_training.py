"""Training in plain PyTorch against bitmar-train: optimizer steps of the same model on the same batch, by turns.

`bitmar-train bench` makes parameters and a batch up and writes them down. PyTorch loads them (torch_bitmar.py,
torch_memory.py, torch_objective.py), must arrive at the same losses, and then both take steps: the full vocabulary, the
same thread count. PyTorch has fused AdamW and fused attention in every variant, and BF16 autocast but where FP32 is
said, which is many times as fast on a processor without AVX-512:

  full-logits   all logits at once, cross-entropy in FP32 (takes 13 GB)
  plain         logits of a quarter of the batch at a time, cross-entropy in FP32
  small-chunks  logits of 512 tokens at a time: they stay in the cache
  bf16-logits   the same, cross-entropy in BF16 (probabilities are then some per cent off)
  kept-memory   bf16-logits with glibc told to keep freed memory, as bitmar-train's allocator does
  compiled      small-chunks under torch.compile (needs a C++ compiler)
  fp32-full-logits, fp32, fp32-small-chunks  the first three without autocast
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from interleave import ROOT, Row, compare, describe, machine, table, write_json

CONFIGS = [ROOT / "configs" / "bitmar-14m.toml", ROOT / "configs" / "bitmar-14m-captions.toml"]
PATCHES = {"bitmar-14m": 256, "bitmar-14m-bitvit": 196}  # of a photo, before the model's pooling
VARIANTS = {"full-logits": ["--chunk-tokens", "1000000000"], "plain": ["--chunk-tokens", "4096"], "small-chunks": [],
            "bf16-logits": ["--bf16-logits"], "kept-memory": ["--bf16-logits"], "compiled": ["--compile"],
            "fp32-full-logits": ["--fp32", "--chunk-tokens", "1000000000"],
            "fp32": ["--fp32", "--chunk-tokens", "4096"],
            "fp32-small-chunks": ["--fp32"]}
KEEP_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000000"}


class StepProcess:
    """A program that takes a step for every line and answers with JSON."""

    def __init__(self, command: list, threads: int, **environment: str) -> None:
        self.threads = threads
        self.answers: list[dict] = []
        self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, env=os.environ | environment)

    def answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[0]} stopped with exit status {self._process.wait()}")
        return json.loads(line)

    def time(self, command: str) -> float:
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self.answers.append(self.answer())
        return self.answers[-1]["seconds"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def preset_of(config: Path) -> str | None:
    table = tomllib.loads(config.read_text())
    own = table.get("model", {}).get("preset")
    return preset_of(config.parent / table["base"]) if own is None and "base" in table else own


def start_ours(options: argparse.Namespace, config: Path, record: Path) -> StepProcess:
    preset = preset_of(config)
    patches = PATCHES.get(preset, 0) if options.patches is None else options.patches
    overrides = ["train.vision_dropout=0", "train.accumulation=1", 'train.autocast="bf16"', 'train.device="cpu"',
                 "objective.sampled_core=0", f"train.threads={options.threads}", *options.set]
    command = [options.trainer, "bench", "--config", config, "--synthetic", "--rows", options.rows, "--length",
               options.length, "--patches", patches, "--record", record, "--on-request"]
    return StepProcess(command + [word for override in overrides for word in ("--set", override)], options.threads)


def start_peer(options: argparse.Namespace, record: Path, variant: str) -> StepProcess:
    worker = Path(__file__).parent / "torch_training_worker.py"
    return StepProcess([sys.executable, worker, record, "--threads", options.threads, *VARIANTS[variant]],
                       options.threads, **(KEEP_MEMORY if variant == "kept-memory" else {}))


def check_losses(exact: dict[str, float], peer: dict[str, float], tolerance: float) -> None:
    """Relative, absolute below 1: FP32 sums where ours are integers move some codes by one, and then a memory may write to
    another slot."""
    for name in peer:
        loss = exact[name]
        if not abs(peer[name] - loss) <= tolerance * max(1.0, abs(loss)):
            raise SystemExit(f"the {name} loss is {loss} by bitmar-train and {peer[name]} by PyTorch: not one model")


def measure(options: argparse.Namespace, config: Path, variant: str) -> tuple[Row, dict]:
    """The comparison of one configuration; losses and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.safetensors"
        ours = start_ours(options, config, record)
        tokens = options.rows * options.length
        ours.time("warm up")  # the file is whole then
        peer = start_peer(options, record, variant)
        peer_fp32 = peer.answer()["losses"]
        check_losses(ours.answers[0]["losses"], peer_fp32, options.tolerance)
        peer.time("warm up")
        row = compare(f"PyTorch {variant}, {config.stem}", peer, ours, f"train {tokens}",
                      options.rounds, warm_up=False)
        ours.close()
        peer.close()
    steps = ours.answers[1:]
    phases = {name: sum(step["phases"][name] for step in steps) / len(steps) for name in steps[0]["phases"]}
    details = {"config": config.stem, "variant": variant, "processor_seconds": processor_seconds(steps),
               "peer_processor_seconds": processor_seconds(peer.answers[1:]), "losses": ours.answers[0]["losses"],
               "peer_losses_fp32": peer_fp32, "peer_losses_in_steps": peer.answers[0]["losses"],
               "phases_seconds": phases,
               "peak_resident_bytes": ours.answers[-1]["peak_resident_bytes"],
               "peer_peak_resident_bytes": peer.answers[-1]["peak_resident_bytes"]}
    return row, details


def processor_seconds(steps: list[dict]) -> float:
    """The median: of all threads, which other load on the machine changes less than the time."""
    return statistics.median(step["processor_seconds"] for step in steps)


def details_table(details: list[dict]) -> str:
    lines = ["| configuration | PyTorch | processor time: ratio | loss: BitMar | PyTorch FP32 | PyTorch in its steps | "
             "memory: BitMar | PyTorch | where BitMar's time goes |", "|---|---|---:|---:|---:|---:|---:|---:|---|"]
    for each in details:
        losses = [f"{each[key]['total']:.5f}" for key in ("losses", "peer_losses_fp32", "peer_losses_in_steps")]
        memory = [f"{each[key] * 1e-9:.2f} GB" for key in ("peak_resident_bytes", "peer_peak_resident_bytes")]
        seconds = sum(each["phases_seconds"].values())
        phases = ", ".join(f"{name} {100 * part / seconds:.0f} %" for name, part in each["phases_seconds"].items())
        ratio = each["peer_processor_seconds"] / each["processor_seconds"]
        cells = [each["config"], each["variant"], f"{ratio:.2f}", *losses, *memory, phases]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, nargs="+", default=CONFIGS, help="training configurations")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of theirs")
    parser.add_argument("--trainer", type=Path, default=ROOT / "build-train" / "bitmar-train")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--length", type=int, default=256, help="tokens of a row")
    parser.add_argument("--patches", type=int, help="of each row's photo; 0: text alone (default: the towers')")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["plain", "small-chunks", "kept-memory"])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of the losses in FP32")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all rounds")
    options = parser.parse_args()

    description = machine() | {"bitmar_isa": "libtorch's kernels"}
    rows, details = [], []
    for config in options.config:
        for variant in options.variants:
            print(f"{config.stem}, {variant}", file=sys.stderr)
            row, more = measure(options, config, variant)
            rows.append(row)
            details.append(more)
    print(f"{describe(description)}\n\n{table(rows)}\n\n{details_table(details)}")
    if options.json:
        write_json(options.json, description, rows, details=details)


if __name__ == "__main__":
    main()
