"""PyTorch against BitMar: a decoder of BitMar's width and depth with caches made once, FP32 and dynamic int8.

The peer reads no image and has no memory; BitMar has both.
"""

import argparse
import sys
from pathlib import Path

import torch
from interleave import COMMANDS, MODEL, PHOTO, Ours, Row, compare, describe, machine, table, write_json
from torch_decoder import Decoder, TorchSession, quantized


def variants(layers: int, compiled: bool) -> dict[str, Decoder]:
    """The ways to run the same model."""
    torch.manual_seed(1)
    model = Decoder(layers).eval()
    found = {"FP32": model, "int8 head": quantized(model, whole=False), "int8": quantized(model, whole=True)}
    if compiled:
        found["int8 head, compiled"] = quantized(model, whole=False)
        found["int8 head, compiled"].compile_layers()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", type=Path, default=MODEL, help="BitMar's model file")
    parser.add_argument("--image", type=Path, default=PHOTO, help="the photo that BitMar describes")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layers", type=int, nargs="+", default=[8, 4], help="8: BitMar's encoder and decoder")
    parser.add_argument("--compile", action="store_true", help="torch.compile too (needs a C++ compiler)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all rounds")
    options = parser.parse_args()

    description = machine()
    rows: list[Row] = []
    for threads in options.threads:
        ours = Ours("model", options.model, options.image, threads)
        description["bitmar_isa"] = ours.isa
        for layers in options.layers:
            for name, model in variants(layers, options.compile).items():
                print(f"{threads} threads, {layers} layers, {name}", file=sys.stderr)
                peer = TorchSession(model, threads)
                rows += [compare(f"PyTorch {name}, {layers} layers", peer, ours, command, options.rounds)
                         for command in COMMANDS]
        ours.close()
    print(f"{describe(description)}\n\n{table(rows)}")
    if options.json:
        write_json(options.json, description, rows)


if __name__ == "__main__":
    main()
