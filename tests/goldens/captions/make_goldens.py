#!/usr/bin/env python3
"""Makes captions.json: synthetic captions with the scores and tokens that pycocoevalcap gives them.

Needs pycocoevalcap and a Java runtime. Usage: make_goldens.py (writes beside itself).
"""

import json
import pathlib
import random

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

WHO = ["A man", "Two dogs", "A little girl's friend", "Mr. Smith", "An old T-shirt-clad woman", "The U.S. team",
       "A child who can't swim", "3 boys", "Somebody (in red)", "A brown-and-white dog", "L. Jones and St. Mary's choir"]
WHAT = ["runs through", "jumps over", "is sitting on", "doesn't look at", "plays frisbee near", "cannot cross",
        "'s going to paint", "won't leave", "walks along", "is 2.5 miles from", "rides a 4-wheeler in"]
WHERE = ["the grass", "a blue/green pool", "the beach at 4:30 p.m.", "an \"open\" road", "a rock & roll concert",
         "some stairs ... slowly", "the city; at night", "AT&T park", "a café", "the dogs' house", "water!!", "o'clock tower"]


def caption(rng: random.Random) -> str:
    text = f"{rng.choice(WHO)} {rng.choice(WHAT)} {rng.choice(WHERE)}"
    if rng.random() < 0.4:
        text += f" while {rng.choice(WHO).lower()} {rng.choice(WHAT)} {rng.choice(WHERE)}"
    return text + rng.choice([".", " .", "", "!", ", of course."])


def main() -> None:
    rng = random.Random(5)
    items = []
    for index in range(120):
        references = [caption(rng) for _ in range(rng.randint(1, 5))]
        words = rng.choice(references).split()
        candidate = caption(rng) if index % 3 else " ".join(words[: max(1, len(words) - rng.randint(0, 4))])
        items.append({"candidate": candidate, "references": references})

    tokenizer = PTBTokenizer()
    references = tokenizer.tokenize({i: [{"caption": c} for c in item["references"]] for i, item in enumerate(items)})
    candidates = tokenizer.tokenize({i: [{"caption": item["candidate"]}] for i, item in enumerate(items)})
    bleu, _ = Bleu(4).compute_score(references, candidates, verbose=0)
    rouge, _ = Rouge().compute_score(references, candidates)
    cider, _ = Cider().compute_score(references, candidates)
    for i, item in enumerate(items):
        item["candidate_tokens"] = candidates[i][0]
    golden = {"items": items, "bleu": bleu, "rouge_l": rouge, "cider": cider}
    path = pathlib.Path(__file__).with_name("captions.json")
    path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    print(bleu, rouge, cider)


if __name__ == "__main__":
    main()
