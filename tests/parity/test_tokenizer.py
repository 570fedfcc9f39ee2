"""Our tokenizer against tiktoken: on every code point, on strings made to be awkward, on strings of random bytes, and on
100,000 lines of the corpus that --corpus names.

The ranks are those of models/gpt2-merges.txt. The program that encodes fails where a text does not decode to itself.
"""

import random
import struct
from pathlib import Path

import pytest
import tiktoken
from programs import output_of
from tiktoken_ext.openai_public import r50k_pat_str

ROOT = Path(__file__).resolve().parents[2]
MERGES = ROOT / "models" / "gpt2-merges.txt"
END_OF_TEXT = "<|endoftext|>"
PROGRAM = "tests/parity/tokenize_lines"
LINES = 100_000

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
    output = output_of([program, MERGES], data)
    ids, offset = [], 0
    for _ in texts:
        (count,) = struct.unpack_from("<I", output, offset)
        ids.append(list(struct.unpack_from(f"<{count}I", output, offset + 4)))
        offset += 4 + 4 * count
    assert offset == len(output)
    return ids


@pytest.fixture(scope="module")
def encoding() -> tiktoken.Encoding:
    return reference()


def compare(program, encoding, texts) -> None:
    expected = encoding.encode_ordinary_batch(texts, num_threads=1)
    actual = encode_with_ours(program, [text.encode("utf-8") for text in texts])
    wrong = [first_difference(encoding, theirs, ours)
             for theirs, ours in zip(expected, actual, strict=True) if theirs != ours]
    print(f"{len(texts)} texts, {sum(map(len, expected))} tokens, {len(wrong)} differ")
    assert not wrong, "\n".join(wrong[:5])


def first_difference(encoding, theirs, ours):
    same = next((i for i, pair in enumerate(zip(theirs, ours)) if pair[0] != pair[1]), min(len(theirs), len(ours)))
    return (f"after {encoding.decode(theirs[max(0, same - 8) : same])!r}: "
            f"tiktoken {theirs[same : same + 8]}, ours {ours[same : same + 8]}")


def code_points():
    """Each in several places. All white space is among the first, which stand at the end of a text too; of the others, 64
    make a text, as tiktoken takes its time for each."""
    texts = [f"a{chr(value)}'s {chr(value)}{chr(value)}1 {chr(value)}!\n{chr(value)}"
             for value in range(0x110000) if not 0xD800 <= value < 0xE000]
    alone = 0x3100
    return texts[:alone] + ["\n".join(texts[first : first + 64]) for first in range(alone, len(texts), 64)]


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


def random_bytes(count):
    """Mostly invalid UTF-8: any bytes, valid text cut short, stray and missing continuation bytes, surrogates."""
    generator = random.Random(6)
    pieces = [b"a", b" ", b"'s", "\u00e9".encode(), "\u4e2d".encode(), "\U0001f600".encode(), b"\x80", b"\xbf", b"\xc3", b"\xe4\xb8",
              b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\xff", b"\x00", b"\n"]
    for i in range(count):
        if i % 2 == 0:
            yield generator.randbytes(generator.randrange(1, 40))
        else:
            yield b"".join(generator.choice(pieces) for _ in range(generator.randrange(1, 12)))


def test_awkward_strings(program, encoding) -> None:
    compare(program(PROGRAM), encoding, AWKWARD)


def test_random_strings(program, encoding) -> None:
    compare(program(PROGRAM), encoding, list(random_texts(100_000)))


def test_every_code_point(program, encoding) -> None:
    compare(program(PROGRAM), encoding, code_points())


def test_byte_strings_decode_to_themselves(program, encoding) -> None:
    texts = list(random_bytes(100_000))
    for text, ids in zip(texts, encode_with_ours(program(PROGRAM), texts), strict=True):
        assert encoding.decode_bytes(ids) == text


def test_corpus(program, encoding, real_data) -> None:
    compare(program(PROGRAM), encoding, list(corpus_lines(real_data("--corpus"), LINES)))
