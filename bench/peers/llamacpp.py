"""llama.cpp against BitMar: random llamas of BitMar's width and depth, in every quantization that takes 128 columns.

Every model runs with flash attention on and off, and with the vocabulary as it is and padded to a multiple of 64 (odd
numbers of rows keep llama.cpp from its repacked kernels); the table has the peer's fastest variant. The peer reads no
image and has no memory; BitMar has both.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from interleave import (COMMANDS, MODEL, PHOTO, VOCABULARY, Ours, Row, compare, describe, fastest_peer, machine, table,
                        write_json)
from llama_gguf import QUANTIZATIONS, Shape, refusal, write_llama
from llama_session import LlamaSession


def compare_variants(ours: Ours, shapes: list[Shape], quantization: str, rounds: int) -> dict[str, Row]:
    """By command, the row of the peer's fastest among the shapes, with flash attention on or off."""
    rows: dict[str, list[Row]] = {command: [] for command in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "llama.gguf"
        for shape in shapes:
            write_llama(path, shape, quantization)
            for flash_attention in (False, True):
                peer = LlamaSession(path, ours.threads, flash_attention)
                name = (f"llama.cpp {quantization}, {shape.layers} layers, f={shape.feed_forward}, "
                        f"V={shape.vocabulary}, flash attention {'on' if flash_attention else 'off'}")
                for command in COMMANDS:
                    rows[command].append(compare(name, peer, ours, command, rounds))
                peer.close()
    return {command: fastest_peer(found) for command, found in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", type=Path, default=MODEL, help="BitMar's model file")
    parser.add_argument("--image", type=Path, default=PHOTO, help="the photo that BitMar describes")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layers", type=int, nargs="+", default=[8, 4], help="8: BitMar's encoder and decoder")
    parser.add_argument("--feed-forward", type=int, nargs="+", default=[512, 352],
                        help="512: BitMar's width; 352: as much work in three matrices as BitMar has in two")
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[VOCABULARY, 50304],
                        help="numbers of rows of embedding and head")
    parser.add_argument("--quantizations", nargs="+", default=QUANTIZATIONS, metavar="TYPE")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all rounds of the best variants")
    options = parser.parse_args()

    description = machine()
    refused: dict[str, str] = {}
    groups: dict[tuple[int, int, str], list[Row]] = {}  # by threads, layers and command
    for threads in options.threads:
        ours = Ours("model", options.model, options.image, threads)
        description["bitmar_isa"] = ours.isa
        for layers, feed_forward, quantization in itertools.product(options.layers, options.feed_forward,
                                                                    options.quantizations):
            shapes = [Shape(layers, feed_forward, vocabulary) for vocabulary in options.vocabularies]
            reason = refusal(quantization, shapes[0])
            if reason:
                refused[quantization] = reason
                continue
            print(f"{threads} threads, {layers} layers, f={feed_forward}, {quantization}", file=sys.stderr)
            for command, row in compare_variants(ours, shapes, quantization, options.rounds).items():
                groups.setdefault((threads, layers, command), []).append(row)
        ours.close()

    rows = list(itertools.chain.from_iterable(groups.values()))
    print(describe(description))
    print(f"\n{table(rows)}\n")
    for quantization, reason in refused.items():
        print(f"{quantization}: refused, {reason}")
    print(f"\nllama.cpp at its best:\n\n{table(fastest_peer(group) for group in groups.values())}")
    if options.json:
        write_json(options.json, description, rows, refused=refused)


if __name__ == "__main__":
    main()
