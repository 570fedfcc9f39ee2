"""llama.cpp against BitMar: random llamas of BitMar's width and depth, in every quantization that takes 128 columns.

Every model runs with flash attention on and off, and with the vocabulary as it is and padded to a multiple of 64 (odd
numbers of rows keep llama.cpp from its repacked kernels); the table has the variant that does best beside us. The peer
reads no image and has no memory; BitMar has both.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from interleave import COMMANDS, MODEL, PHOTO, VOCABULARY, Ours, Row, compare, describe, hardest, machine, table, write_json
from llama_gguf import QUANTIZATIONS, Shape, refusal, write_llama
from llama_session import LlamaSession

VOCABULARIES = (VOCABULARY, 50304)


def compare_quantization(folder: Path, ours: Ours, layers: int, feed_forward: int, quantization: str,
                         rounds: int) -> list[Row]:
    """A row for every command, of the best variant."""
    rows: dict[str, list[Row]] = {command: [] for command in COMMANDS}
    for vocabulary in VOCABULARIES:
        path = folder / "llama.gguf"
        write_llama(path, Shape(layers, feed_forward, vocabulary), quantization)
        for flash_attention in (False, True):
            peer = LlamaSession(path, ours.threads, flash_attention)
            name = (f"llama.cpp {quantization}, {layers} layers, f={feed_forward}, V={vocabulary}, "
                    f"flash attention {'on' if flash_attention else 'off'}")
            for command in COMMANDS:
                rows[command].append(compare(name, peer, ours, command, rounds))
            peer.close()
    return [hardest(variants) for variants in rows.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", type=Path, default=MODEL, help="BitMar's model file")
    parser.add_argument("--image", type=Path, default=PHOTO, help="the photo that BitMar describes")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layers", type=int, nargs="+", default=[8, 4], help="8: BitMar's encoder and decoder")
    parser.add_argument("--feed-forward", type=int, nargs="+", default=[512, 352],
                        help="512: BitMar's width; 352: as much work in three matrices as BitMar has in two")
    parser.add_argument("--quantizations", nargs="+", default=QUANTIZATIONS, metavar="TYPE")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all rounds of the best variants")
    options = parser.parse_args()

    description = machine()
    refused: dict[str, str] = {}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in options.threads:
            ours = Ours("model", options.model, options.image, threads)
            description["bitmar_isa"] = ours.isa
            for layers, feed_forward, quantization in itertools.product(options.layers, options.feed_forward,
                                                                        options.quantizations):
                reason = refusal(quantization, Shape(layers, feed_forward, VOCABULARY))
                if reason:
                    refused[quantization] = reason
                    continue
                print(f"{threads} threads, {layers} layers, f={feed_forward}, {quantization}", file=sys.stderr)
                rows += compare_quantization(Path(folder), ours, layers, feed_forward, quantization, options.rounds)
            ours.close()

    best = [hardest(group) for _, group in itertools.groupby(
        sorted(rows, key=lambda row: (row.threads, row.command)), key=lambda row: (row.threads, row.command))]
    print(describe(description))
    print(f"\n{table(rows)}\n")
    for quantization, reason in refused.items():
        print(f"{quantization}: refused, {reason}")
    print(f"\nWhere llama.cpp does best:\n\n{table(best)}")
    if options.json:
        write_json(options.json, description, rows, refused=refused)


if __name__ == "__main__":
    main()
