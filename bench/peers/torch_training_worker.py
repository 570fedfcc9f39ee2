"""PyTorch's side of pytorch_training.py: loads what `bitmar-train bench --record` wrote and takes an optimizer step for
every line of standard input, answered by a line of JSON as bitmar-train's.

The first line it prints, before any step, has the losses of the batch in FP32.
"""

import argparse
import contextlib
import json
import re
import time
import tomllib
from dataclasses import fields
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor
from torch_bitmar import Config
from torch_objective import Batch, Trainer, Weights


def peak_resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE).group(1)) * 1024


def read_record(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """Configuration and tensors."""
    with safe_open(path, "pt") as file:
        return tomllib.loads(file.metadata()["config"]), {name: file.get_tensor(name) for name in file.keys()}


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def model_config(document: dict) -> Config:
    given = document.get("model", {})
    return Config(**{field.name: given[field.name] for field in fields(Config) if field.name in given})


def loss_weights(document: dict) -> Weights:
    objective, optimizer, train = (document.get(table, {}) for table in ("objective", "optimizer", "train"))
    given = {"contrast": objective.get("contrast"), "memory": objective.get("memory"),
             "learning_rate": document.get("schedule", {}).get("peak"),
             "scale_learning_rate": train.get("scale_learning_rate"),
             "weight_decay": optimizer.get("weight_decay"), "clip_norm": optimizer.get("clip_norm")}
    return Weights(**{name: value for name, value in given.items() if value is not None})


def recorded_batch(tensors: dict[str, Tensor]) -> Batch:
    rows = len(tensors["tokens"])
    image_of_row = torch.arange(rows) if "features" in tensors else torch.full((rows,), -1)
    return Batch(tensors["tokens"], tensors["mask"].bool(), tensors["targets"], tensors["places"],
                 tensors.get("features"), image_of_row, tensors["identity"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--chunk-tokens", type=int, default=512, help="tokens whose logits exist at a time")
    parser.add_argument("--bf16-logits", action="store_true", help="cross-entropy of BF16 logits as they are")
    parser.add_argument("--fp32", action="store_true", help="no autocast")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    document, tensors = read_record(options.record)
    batch = recorded_batch(with_prefix(tensors, "batch."))
    trainer = Trainer(model_config(document), with_prefix(tensors, "model."), tensors["contrast.log_temperature"],
                      loss_weights(document), autocast=not options.fp32, chunk_tokens=options.chunk_tokens,
                      float_logits=not options.bf16_logits, compiled=options.compile)
    print(json.dumps({"losses": trainer.evaluate(batch)}), flush=True)
    with contextlib.suppress(EOFError):
        while True:
            input()
            start, processor_start = time.perf_counter(), time.process_time()
            losses = trainer.step(batch)
            seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
            print(json.dumps({"tokens": len(batch.targets), "seconds": seconds,
                              "processor_seconds": processor_seconds, "losses": losses,
                              "peak_resident_bytes": peak_resident_bytes()}), flush=True)


if __name__ == "__main__":
    main()
