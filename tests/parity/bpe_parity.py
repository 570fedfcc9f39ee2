"""Compares our tokenizer with tiktoken: on every code point, on strings made to be awkward, and on lines of a corpus.

    python tests/parity/bpe_parity.py --program build/tests/parity/tokenize_lines [--corpus FILE_OR_FOLDER]

`--corpus` (or BITMAR_CORPUS) names text files; without it that part is skipped, and said so.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str

ROOT = Path(__file__).resolve().parents[2]
MERGES = ROOT / "models" / "gpt2-merges.txt"
END_OF_TEXT = "<|endoftext|>"

AWKWARD = [
    "", " ", "  ", "\n", "\n\n \n", "\t\t x", " \u00a0 x", "\u3000\u3000a", "x\u180ey", "a\u2028b\u0085c",
    "don't I'll we've they're I'm he'd it's DON'T I'LL ' s 'S", "''s'''t", "x'sy 'tis",
    "1234 12 34a 3.14159 \u0661\u0662\u0663 \u00bd \u2167 10\u00b2", "caf\u00e9 cafe\u0301 n\u0303", "a\u0301\u0302\u0303b",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd", "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4",
    "\u0623\u0647\u0644\u0627 \u05e9\u05dc\u05d5\u05dd \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\x00\x01\x02\x7f\x80", "\ufeffBOM", "\ufffd\ufffe\uffff\U0010ffff",
    END_OF_TEXT, "a" + END_OF_TEXT + "b", "<|endoftext", "!!!???...---", "a  b   c    d     ", "x \n y\r\nz\r\n\r\n",
    " " * 1000 + "x", "\n" * 1000, "ab" * 5000, "a" * 10001, "=" * 333, "\u4e00" * 2000, "e\u0301" * 500,
]


def reference():
    ranks = {bytes([byte]): index for index, byte in enumerate(printable_bytes_first())}
    written_as = alphabet()
    for line in MERGES.read_text(encoding="utf-8").splitlines()[1:]:
        left, right = ("".join(part) for part in line.split(" "))
        ranks[bytes(written_as[c] for c in left + right)] = len(ranks)
    return tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={END_OF_TEXT: 50256})


def printable_bytes_first():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printable + [byte for byte in range(256) if byte not in printable]


def alphabet():
    order = printable_bytes_first()
    return {chr(byte) if index < 188 else chr(256 + index - 188): byte for index, byte in enumerate(order)}


def encode_with_ours(program, texts):
    data = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    output = subprocess.run([program, MERGES], input=data, stdout=subprocess.PIPE, check=True).stdout
    ids, offset = [], 0
    for _ in texts:
        (count,) = struct.unpack_from("<I", output, offset)
        ids.append(list(struct.unpack_from(f"<{count}I", output, offset + 4)))
        offset += 4 + 4 * count
    assert offset == len(output)
    return ids


def compare(what, program, encoding, texts):
    expected = encoding.encode_ordinary_batch(texts, num_threads=1)
    actual = encode_with_ours(program, [text.encode("utf-8") for text in texts])
    wrong = [i for i in range(len(texts)) if expected[i] != actual[i]]
    print(f"{what}: {len(texts)} texts, {sum(map(len, expected))} tokens, {len(wrong)} differ")
    for i in wrong[:5]:
        print(f"  {texts[i][:60]!r}: tiktoken {expected[i][:12]}, ours {actual[i][:12]}")
    return not wrong


def code_points():
    for value in range(0x110000):
        if not 0xD800 <= value < 0xE000:
            yield f"a{chr(value)}'s {chr(value)}{chr(value)}1 {chr(value)}!\n{chr(value)}"


def random_texts(count):
    """Strings over few characters of every class, which meet each other in all orders."""
    generator = random.Random(5)
    characters = "ab'sltrevmdAZ  \n\t\u00a0\u3000019.,!\u0301\u00e9\u4e2d\U0001f600\u200d\u180e\u0085"
    for _ in range(count):
        yield "".join(generator.choice(characters) for _ in range(generator.randrange(1, 40)))


def corpus_lines(path, count):
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    for file in files:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
        # Line breaks belong to the text: lines are taken in blocks of three.
        step = max(3, len(lines) * len(files) // count)
        for i in range(0, len(lines), step):
            yield "\n".join(lines[i : i + 3])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the built tokenize_lines")
    parser.add_argument("--corpus", default=os.environ.get("BITMAR_CORPUS"), help="a text file, or a folder of them")
    parser.add_argument("--lines", type=int, default=100_000)
    arguments = parser.parse_args()

    encoding = reference()
    same = compare("awkward strings", arguments.program, encoding, AWKWARD)
    same &= compare("random strings", arguments.program, encoding, list(random_texts(100_000)))
    same &= compare("code points", arguments.program, encoding, list(code_points()))
    if arguments.corpus:
        lines = list(corpus_lines(Path(arguments.corpus), arguments.lines))
        same &= compare("corpus", arguments.program, encoding, lines)
    else:
        print("corpus: skipped, no --corpus given")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
