#!/usr/bin/env python3
"""`bitmar eval` against lm-evaluation-harness: the same model, items and prompts, item by item.

    .venv/bin/pip install -r tests/requirements.txt
    PYTHONPATH=python .venv/bin/python tests/parity/lm_eval_parity.py --bitmar build/bitmar --data DATA

runs both on ARC-Easy, HellaSwag, WinoGrande, PIQA and BLiMP in DATA, prints a line a task, and fails where a
log-likelihood differs by 1e-3 a token or more, or an accuracy at all. The harness makes its own prompts, splits them
into context and answer and measures with its own metrics; all that it takes from us are log-probabilities, through
python/bitmar.
"""

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

TASKS = ["arc_easy", "hellaswag", "winogrande", "piqa", "blimp_fast"]
TASK_FILES = Path(__file__).resolve().parent / "harness_tasks"
TOLERANCE = 1e-3  # nats a token
# metric of lm-eval: by which of our values the best choice is the right one
METRICS = {"acc": "log_likelihoods", "acc_norm": "per_character"}


@dataclass
class Item:
    log_likelihoods: list[float]  # of the choices
    greedy: list[bool]
    correct: dict[str, bool]      # by metric of lm-eval


@dataclass
class Comparison:
    task: str
    items: int = 0
    largest: float = 0            # difference of a log-likelihood, by token
    problems: list[str] = field(default_factory=list)
    accuracies: dict[str, tuple[float, float]] = field(default_factory=dict)  # by metric: lm-eval's, ours

    def __str__(self) -> str:
        values = ", ".join(f"{metric} {theirs:.6f} lm-eval, {ours:.6f} bitmar"
                           for metric, (theirs, ours) in self.accuracies.items())
        return f"{self.task}: {self.items} items, largest difference {self.largest:.1e} a token; {values}"


@contextlib.contextmanager
def working_folder(path: Path) -> Iterator[None]:
    """The task files name their data relative to it."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def item_namer(task: str) -> Callable[[int, dict], str]:
    """name(index, document): the id that bitmar gives to the item."""
    if task == "blimp_fast":
        counts: Counter[str] = Counter()

        def paradigm_and_number(_: int, document: dict) -> str:
            counts[document["UID"]] += 1
            return f"{document['UID']}_{counts[document['UID']] - 1}"

        return paradigm_and_number
    return lambda index, document: str(document.get("id", index))


def by_harness(model: Path, data: Path, tasks: list[str], limit: int | None, threads: int
               ) -> tuple[dict[str, dict[str, Item]], dict[str, dict[str, float]]]:
    """Items by task and id, and the accuracies that the harness reports."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    with tempfile.TemporaryDirectory() as cache, working_folder(data):
        os.environ["HF_DATASETS_CACHE"] = cache
        import datasets
        import lm_eval
        from bitmar.lm_eval_model import BitmarLM
        from lm_eval.tasks import TaskManager

        datasets.config.HF_DATASETS_CACHE = Path(cache)
        datasets.disable_progress_bars()
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        manager = TaskManager(include_path=str(TASK_FILES), include_defaults=False)
        report = lm_eval.simple_evaluate(BitmarLM(str(model), threads=threads), task_manager=manager, limit=limit,
                                         tasks=[f"local_{task}" for task in tasks], bootstrap_iters=0)
    items: dict[str, dict[str, Item]] = {}
    accuracies: dict[str, dict[str, float]] = {}
    for task in tasks:
        name = item_namer(task)
        samples = sorted(report["samples"][f"local_{task}"], key=lambda sample: sample["doc_id"])
        metrics = [metric for metric in METRICS if metric in samples[0]]
        items[task] = {
            name(sample["doc_id"], sample["doc"]):
                Item([value for value, _ in sample["filtered_resps"]], [greedy for _, greedy in sample["filtered_resps"]],
                     {metric: bool(sample[metric]) for metric in metrics}) for sample in samples}
        assert len(items[task]) == len(samples), f"{task}: two items have one id"
        accuracies[task] = {metric: report["results"][f"local_{task}"][f"{metric},none"] for metric in metrics}
    return items, accuracies


def by_bitmar(program: Path, model: Path, data: Path, task: str, threads: int
              ) -> tuple[dict[str, dict], dict[str, float]]:
    """The lines of `bitmar eval --predictions` by id, and the accuracies that it prints, by metric of lm-eval."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "eval", task, "-m", model, "--data", data, "--predictions", folder, "-t", str(threads),
                   "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        lines = (Path(folder) / f"{task}.jsonl").read_text().splitlines()
    scores = {score["metric"]: score["value"] for score in json.loads(done.stdout)["tasks"][0]["total"]["scores"]}
    return ({line["id"]: line for line in map(json.loads, lines)},
            {"acc": scores["accuracy"], "acc_norm": scores["accuracy_per_character"]})


def first_best(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def is_tied(values: list[float]) -> bool:
    return sum(abs(value - max(values)) <= 1e-9 * abs(max(values)) for value in values) > 1


def compare(task: str, theirs: dict[str, Item], reported: dict[str, float], ours: dict[str, dict],
            printed: dict[str, float]) -> Comparison:
    """Of the items that the harness has; `printed` is of all items."""
    result = Comparison(task)
    right: Counter[str] = Counter()
    tied: Counter[str] = Counter()
    for name, item in theirs.items():
        line = ours.get(name)
        if line is None or len(line["log_likelihoods"]) != len(item.log_likelihoods):
            result.problems.append(f"{name}: not the same item in both")
            continue
        result.items += 1
        for choice, (a, b, tokens) in enumerate(zip(item.log_likelihoods, line["log_likelihoods"], line["tokens"])):
            difference = abs(a - b) / tokens
            result.largest = max(result.largest, difference)
            if not difference < TOLERANCE:
                result.problems.append(f"{name}: choice {choice}: {a} lm-eval, {b} bitmar, {tokens} tokens")
        if item.greedy != line["greedy"]:
            result.problems.append(f"{name}: greedy: {item.greedy} lm-eval, {line['greedy']} bitmar")
        for metric, correct in item.correct.items():
            is_right = first_best(line[METRICS[metric]]) == line["gold"]
            right[metric] += is_right
            tied[metric] += is_tied(line[METRICS[metric]])
            if is_right != correct:
                result.problems.append(f"{name}: {metric}: {correct} lm-eval, {is_right} bitmar")
    for metric, value in reported.items():
        share = right[metric] / max(result.items, 1)
        result.accuracies[metric] = (value, share)
        if abs(value - share) > 1e-12:  # sums of the same items, in another order
            result.problems.append(f"{metric}: {value} lm-eval, {share} bitmar")
        # What `bitmar eval` prints counts a tie by its share, where the harness takes the first of equal choices.
        if result.items == len(ours) and abs(printed[metric] - share) > tied[metric] / result.items + 1e-12:
            result.problems.append(f"{metric}: {value} lm-eval, {printed[metric]} printed, {tied[metric]} ties")
    return result


def compare_all(program: Path, model: Path, data: Path, tasks: list[str] = TASKS, limit: int | None = None,
                threads: int = 1) -> list[Comparison]:
    theirs, reported = by_harness(model, data, tasks, limit, threads)
    return [compare(task, theirs[task], reported[task], *by_bitmar(program, model, data, task, threads))
            for task in tasks]


def main() -> int:
    root = TASK_FILES.parents[2]
    parser = argparse.ArgumentParser(description="`bitmar eval` against lm-evaluation-harness, item by item")
    parser.add_argument("--bitmar", type=Path, default=root / "build" / "bitmar")
    parser.add_argument("--model", type=Path, default=root / "models" / "bitmar-14m.gguf")
    parser.add_argument("--data", type=Path, required=True, help="the folder with the tasks' files")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--limit", type=int, help="the harness's first items of each task only")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    comparisons = compare_all(arguments.bitmar.resolve(), arguments.model.resolve(), arguments.data.resolve(),
                              arguments.tasks, arguments.limit, arguments.threads)
    for comparison in comparisons:
        print(comparison)
        for problem in comparison.problems[:10]:
            print(f"  {problem}")
    return 1 if any(comparison.problems for comparison in comparisons) else 0


if __name__ == "__main__":
    sys.exit(main())
