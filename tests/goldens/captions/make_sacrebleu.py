#!/usr/bin/env python3
"""Makes sacrebleu.json: made captions with the corpus BLEU that sacrebleu gives them, where its definition is ours.

The captions are lower-case words without punctuation, which every tokenizer leaves as they are, and some n-gram of each
order is right, so that no smoothing takes part. Needs sacrebleu. Usage: make_sacrebleu.py (writes beside itself).
"""

import json
import pathlib
import random

from sacrebleu.metrics import BLEU

WHO = ["a man", "two dogs", "a little girl", "an old woman", "some people", "a brown dog"]
WHAT = ["runs through", "jumps over", "sits on", "looks at", "plays near", "walks along"]
WHERE = ["the grass", "a blue pool", "the beach", "an open road", "the snow", "a crowd of people"]


def caption(rng: random.Random) -> str:
    text = f"{rng.choice(WHO)} {rng.choice(WHAT)} {rng.choice(WHERE)}"
    return text + (f" with {rng.choice(WHO)}" if rng.random() < 0.4 else "")


def main() -> None:
    rng = random.Random(8)
    items = [{"candidate": caption(rng), "references": [caption(rng) for _ in range(rng.randint(1, 5))]}
             for _ in range(60)]
    for item in items[::2]:  # short ones, so that the brevity penalty counts
        item["candidate"] = " ".join(item["candidate"].split()[:-1])
    candidates = [item["candidate"] for item in items]
    most = max(len(item["references"]) for item in items)
    # One list for each place; None where an item has fewer references.
    references = [[item["references"][i] if i < len(item["references"]) else None for item in items]
                  for i in range(most)]
    bleu = [BLEU(tokenize="none", smooth_method="none", max_ngram_order=order).corpus_score(candidates, references)
            for order in range(1, 5)]
    golden = {"items": items, "bleu": [score.score / 100 for score in bleu],
              "brevity_penalty": bleu[0].bp, "candidate_length": bleu[0].sys_len, "reference_length": bleu[0].ref_len}
    path = pathlib.Path(__file__).with_name("sacrebleu.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print({key: value for key, value in golden.items() if key != "items"})


if __name__ == "__main__":
    main()
