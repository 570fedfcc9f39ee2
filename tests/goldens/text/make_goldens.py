#!/usr/bin/env python3
"""Makes two files of lines "input, tab, output", texts and bytes in hexadecimal:

- encodings.txt: awkward texts and GPT-2's ids of them, by tiktoken and, as a check, by tokenizers;
- replacements.txt: bytes that are mostly no UTF-8, and their text with U+FFFD as Python puts it.

Needs tiktoken and tokenizers. Usage: make_goldens.py (writes beside itself).
"""

import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "parity"), str(ROOT / "tests")]

from test_tokenizer import AWKWARD, MERGES, alphabet, random_texts, reference  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402

SENTENCES = [
    "A brown dog runs through the grass.", "Two children are playing in the snow , one of them wears a red hat .",
    "The quick brown fox doesn't jump over 13 lazy dogs; it's tired!", "https://example.org/a?b=c&d=%20#top",
    "if (x == 0) {\n\treturn x++;  // done\n}\n", "Ĳsselmeer straße ŒUVRE ﬁne naïve", "١٢٣ और ४५६ ⅷ ½ m²",
    "\u200bzero\u200dwidth\u2060joiner", "𝒜𝓁𝓅𝒽𝒶 𝟙𝟚𝟛 🏴󠁧󠁢󠁥󠁮󠁧󠁿 👩🏽‍🚀", "tab\tseparated\tvalues\r\n\r\n  indented",
]


def byte_level_tokenizer() -> Tokenizer:
    merges = [tuple(line.split(" ")) for line in MERGES.read_text(encoding="utf-8").splitlines()[1:]]
    vocabulary = {symbol: index for index, symbol in enumerate(alphabet())}
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def byte_strings(count: int):
    """Bytes of which many mean something in UTF-8."""
    generator = random.Random(7)
    likely = b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xe0\xf4\x8f\xbf\xc0\xff"
    for _ in range(count):
        yield bytes(generator.choice(likely) if generator.random() < 0.8 else generator.randrange(256)
                    for _ in range(generator.randrange(1, 14)))


def main() -> None:
    here = pathlib.Path(__file__).parent
    encoding = reference()
    second = byte_level_tokenizer()
    texts = SENTENCES + [text for text in AWKWARD if len(text) < 400] + list(random_texts(300))
    lines = []
    differing = 0
    for text in texts:
        ids = encoding.encode_ordinary(text)
        assert encoding.decode(ids) == text
        differing += second.encode(text, add_special_tokens=False).ids != ids
        lines.append(f"{text.encode('utf-8').hex()}\t{' '.join(map(str, ids))}\n")
    (here / "encodings.txt").write_text("".join(lines), encoding="ascii")
    replaced = [f"{data.hex()}\t{data.decode('utf-8', 'replace').encode('utf-8').hex()}\n" for data in byte_strings(500)]
    (here / "replacements.txt").write_text("".join(replaced), encoding="ascii")
    print(f"{len(texts)} texts; tokenizers differs from tiktoken on {differing}")


if __name__ == "__main__":
    main()
