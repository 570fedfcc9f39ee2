#!/usr/bin/env python3
"""Compares `bitmar eval captions --score-only` with pycocoevalcap on a predictions file; exits 1 beyond 0.001.

Needs pycocoevalcap and a Java runtime. References are a TSV of file, index, caption.
"""

import argparse
import json
import subprocess
import sys

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

TOLERANCE = 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bitmar", required=True, help="the tool")
    parser.add_argument("--references", required=True)
    parser.add_argument("--list", required=True)
    parser.add_argument("--predictions", required=True)
    options = parser.parse_args()

    command = [options.bitmar, "eval", "captions", "--references", options.references, "--list", options.list,
               "--predictions", options.predictions, "--score-only", "--json"]
    ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["scores"]

    names = open(options.list, encoding="utf-8").read().split()
    wanted = set(names)
    references = {name: [] for name in names}
    for line in open(options.references, encoding="utf-8"):
        name, _, caption = line.rstrip("\n").split("\t", 2)
        if name in wanted:
            references[name].append({"caption": caption})
    candidates = {entry["image_id"]: [{"caption": entry["caption"]}]
                  for entry in json.load(open(options.predictions, encoding="utf-8")) if entry["image_id"] in wanted}

    tokenizer = PTBTokenizer()
    references, candidates = tokenizer.tokenize(references), tokenizer.tokenize(candidates)
    bleu, _ = Bleu(4).compute_score(references, candidates, verbose=0)
    theirs = {f"bleu_{order + 1}": score for order, score in enumerate(bleu)}
    theirs["rouge_l"], _ = Rouge().compute_score(references, candidates)
    theirs["cider"], _ = Cider().compute_score(references, candidates)

    worst = 0.0
    for name, score in theirs.items():
        worst = max(worst, abs(score - ours[name]))
        print(f"{name:8} bitmar {ours[name]:.6f}  pycocoevalcap {score:.6f}  difference {ours[name] - score:+.1e}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
