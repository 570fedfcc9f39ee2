#!/usr/bin/env python3
"""Makes classification_scores.json: labels, predictions and the scores that scikit-learn gives them.

    pip install scikit-learn && python tests/goldens/finetune/make_goldens.py
"""

import json
import pathlib
import random
import warnings

from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

CASES = [  # classes, items, share of right answers, share of label 0 among the gold labels
    (2, 57, 0.7, 0.5),
    (2, 40, 0.5, 0.8),
    (3, 60, 0.55, 0.2),
    (4, 33, 0.3, 0.4),
]


def drawn(classes: int, items: int, right: float, zeros: float, generator: random.Random) -> tuple[list, list]:
    gold = [0 if generator.random() < zeros else generator.randrange(1, classes) for _ in range(items)]
    return gold, [label if generator.random() < right else generator.randrange(classes) for label in gold]


def main() -> None:
    warnings.simplefilter("ignore")  # of scores that are defined as 0
    generator = random.Random(1)
    pairs = [(case[0], *drawn(*case, generator)) for case in CASES]
    pairs.append((2, [0, 1, 1, 0], [0, 0, 0, 0]))  # nothing predicted
    pairs.append((2, [0, 0, 0], [0, 0, 0]))  # nothing to be found either
    pairs.append((3, [0, 1, 0, 1], [1, 1, 0, 0]))  # a class that does not occur
    cases = []
    for classes, gold, predicted in pairs:
        how = {"average": "binary"} if classes == 2 else {"average": "macro", "labels": list(range(classes))}
        cases.append({
            "classes": classes, "gold": gold, "predicted": predicted, "accuracy": accuracy_score(gold, predicted),
            "f1": float(f1_score(gold, predicted, **how)), "matthews": float(matthews_corrcoef(gold, predicted))})
    path = pathlib.Path(__file__).with_name("classification_scores.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
