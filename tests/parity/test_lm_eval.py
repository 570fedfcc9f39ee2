"""lm-evaluation-harness and `bitmar eval` on small files in the layouts of the five tasks: lm_eval_parity.py on real ones.

The files hold what the two could see differently: blanks at the ends of texts, letters beyond ASCII, answers that begin
others, empty contexts, HellaSwag's bracketed remarks, options that share their first tokens.
"""

import json
import random
from pathlib import Path

import lm_eval_parity
import pytest

ITEMS = 20
WORDS = ("the dog runs over green grass while a man with café naïve 東京 sleeps near its red house don't stop 1999 rain and "
         "Zürich he's water-proof tea, \"quoted\" (twice) slowly").split(" ")


class Writer:
    """Random texts, the same in every run."""

    def __init__(self) -> None:
        self.random = random.Random(5)

    def text(self, fewest: int, most: int) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(fewest, most)))

    def texts(self, count: int) -> list[str]:
        """Different ones; some begin as others do."""
        start = self.text(1, 4)
        return [f"{start} {self.text(1, 8)} {number}" if number % 2 else f"{self.text(1, 8)} {number}"
                for number in range(count)]

    def arc_easy(self, number: int) -> dict:
        count = self.random.choice([3, 4, 5])
        labels = ["A", "B", "C", "D", "E"] if number % 3 else ["1", "2", "3", "4", "5"]
        return {"id": f"item-{number}", "question": self.text(3, 12) + ("?" if number % 2 else ""),
                "choices": {"text": self.texts(count), "label": labels[:count]},
                "answerKey": self.random.choice(labels[:count])}

    def hellaswag(self, number: int) -> dict:
        endings = self.texts(4)
        endings[number % 4] += " [substeps] Dry  it well. [title] Wait."
        return {"ind": number, "activity_label": self.text(1, 3), "ctx_a": self.text(3, 9) + ".",
                "ctx_b": self.random.choice(["", "he", "the Man"]), "ctx": "unused", "endings": endings,
                "label": str(self.random.randrange(4))}

    def winogrande(self, number: int) -> dict:
        return {"sentence": f"{self.text(2, 8)} _ {self.text(2, 8)}.", "option1": self.text(1, 2),
                "option2": self.text(1, 2) + " too", "answer": self.random.choice("12")}

    def piqa(self, number: int) -> dict:
        first, second = self.texts(2)
        return {"goal": self.text(1, 12), "sol1": first + " " * (number % 2), "sol2": second,
                "label": self.random.randrange(2)}

    def blimp_fast(self, number: int) -> dict:
        good = self.text(3, 9).capitalize()
        return {"sentence_good": f"{good} are.", "sentence_bad": f"{good} is.", "field": "syntax",
                "linguistics_term": "agreement", "UID": f"paradigm_{number % 2}", "pairID": str(number)}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    writer = Writer()
    for task in lm_eval_parity.TASKS:
        lines = [getattr(writer, task)(number) for number in range(ITEMS)]
        if task == "blimp_fast":  # a file a paradigm
            files = {f"babylm/blimp_fast/paradigm_{part}.jsonl": lines[part::2] for part in range(2)}
        else:
            files = {f"{task}/validation.jsonl": lines}
        for name, documents in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents))
    return folder


def test_bitmar_eval_equals_lm_eval(bitmar, program, model_path: Path, data: Path) -> None:
    comparisons = lm_eval_parity.compare_all(program("bitmar"), model_path.resolve(), data, threads=2)
    assert [comparison.task for comparison in comparisons] == lm_eval_parity.TASKS
    for comparison in comparisons:
        print(comparison)
        assert not comparison.problems
        assert comparison.items == ITEMS
        assert comparison.accuracies


def test_a_difference_is_found(bitmar, program, model_path: Path, data: Path) -> None:
    """The comparison can fail: for a log-likelihood, for an answer, for an item, for the accuracy that is printed."""
    theirs, reported = lm_eval_parity.by_harness(model_path.resolve(), data, ["piqa"], None, 1)
    ours, printed = lm_eval_parity.by_bitmar(program("bitmar"), model_path.resolve(), data, "piqa", 1)

    def problems(change, printed: dict = printed) -> list[str]:
        changed = json.loads(json.dumps(ours))
        change(changed)
        return lm_eval_parity.compare("piqa", theirs["piqa"], reported["piqa"], changed, printed).problems

    def shift(lines: dict) -> None:
        lines["3"]["log_likelihoods"][1] += 1.1e-3 * lines["3"]["tokens"][1]

    assert not problems(lambda lines: None)
    assert any(problem.startswith("3: choice 1") for problem in problems(shift))
    assert problems(lambda lines: lines["5"].update(gold=1 - lines["5"]["gold"]))
    off_by_one = {metric: value + 1 / len(ours) for metric, value in printed.items()}
    assert any("printed" in problem for problem in problems(lambda lines: None, off_by_one))
    assert any("not the same item" in problem for problem in problems(lambda lines: lines.pop("7")))


@pytest.fixture(scope="module")
def language_model(bitmar, model_path: Path):
    from bitmar.lm_eval_model import BitmarLM

    return BitmarLM(str(model_path))


def requests(kind: str, *arguments: tuple) -> list:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, each, 0) for each in arguments]


def test_rolling_log_likelihoods_are_those_after_an_empty_context(language_model) -> None:
    texts = ["A dog runs.", "Über die Brücke geht ein Mann. " * 30]
    whole = language_model.loglikelihood(requests("loglikelihood", *(("", text) for text in texts)), disable_tqdm=True)
    rolling = language_model.loglikelihood_rolling(requests("loglikelihood_rolling", *((text,) for text in texts)),
                                                   disable_tqdm=True)
    assert rolling == pytest.approx([value for value, _ in whole], rel=1e-12)


def test_generated_text_stops_where_it_is_told(language_model) -> None:
    def generate(context: str, **options) -> str:
        return language_model.generate_until(requests("generate_until", (context, options)), disable_tqdm=True)[0]

    whole = generate("A man is", until=[], max_gen_toks=12)
    assert len(whole) > 8
    stop = whole[4:6]
    assert generate("A man is", until=[stop], max_gen_toks=12) == whole[: whole.find(stop)]
    assert whole.startswith(generate("A man is", until=[], max_gen_toks=3))
    # Greedy text is what a log-likelihood calls greedy.
    (_, greedy), = language_model.loglikelihood(requests("loglikelihood", ("A man is", whole)), disable_tqdm=True)
    assert greedy
    sampled = {"temperature": 1.5, "do_sample": True, "max_gen_toks": 12, "until": []}
    assert generate("A man is", **sampled, seed=1) == generate("A man is", **sampled, seed=1)
    assert generate("A man is", **sampled, seed=1) != generate("A man is", **sampled, seed=2)
