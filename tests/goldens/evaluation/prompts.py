#!/usr/bin/env python3
"""Writes prompts.json: what lm-evaluation-harness itself asks a model, for made-up items of the tasks that both have.

    pip install 'lm-eval[hf]==0.4.13'
    python prompts.py

Each task's items are kept as the JSON Lines that `bitmar eval` reads, beside the requests of the harness: context,
continuation and the place of the right one. The items exercise blanks, brackets, labels and characters of several
bytes. `encoded_pairs` holds the harness' cut of a context and its continuation (`_encode_pair`) with GPT-2's tokens,
which needs the tokenizer of `gpt2` from the hub or --tokenizer DIR.
"""

import argparse
import json
import pathlib
import tempfile

import lm_eval
import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks.hellaswag import utils as hellaswag
from lm_eval.tasks.winogrande import preprocess_winogrande as winogrande
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
TASKS = pathlib.Path(lm_eval.__file__).parent / "tasks"


class Loader(yaml.SafeLoader):
    """Tasks' files name Python functions, which are given to them here."""


Loader.add_constructor("!function", lambda loader, node: None)

ITEMS = {
    "arc_easy": [
        {"id": "a-1", "question": "Which is warm?", "choices": {"text": ["ice", "the sun", "caf\u00e9 au lait"],
                                                               "label": ["A", "B", "C"]}, "answerKey": "B"},
        {"id": "a-2", "question": "Two  blanks and one at the end? ", "choices": {"text": ["one", " two", "three ", "4"],
                                                                                 "label": ["1", "2", "3", "4"]},
         "answerKey": "4"},
    ],
    "boolq": [
        {"question": "is snow cold", "passage": "Snow is frozen water. It is cold.", "label": 1},
        {"question": "can stones fly", "passage": "Stones lie on the ground.\nThey do not fly.", "label": 0},
    ],
    "hellaswag": [
        {"activity_label": "Baking", "ctx_a": "A woman opens an oven [substeps] slowly.", "ctx_b": "the Woman",
         "endings": ["takes the bread out.", "sings [title] a song.", "[unclosed remark", "says  two   blanks."],
         "label": "0"},
        {"activity_label": "Home [title] and garden", "ctx_a": "How to plant a tree [title] Dig a hole.", "ctx_b": "",
         "endings": ["Water it.", "Eat it [step]\nlater.", "Paint it.", "Sell it."], "label": "2"},
    ],
    "winogrande": [
        {"sentence": "The cup did not fit in the bag because the _ was too large.", "option1": "cup", "option2": "bag",
         "answer": "1"},
        {"sentence": "_ thanked Ann , for Eve had helped.", "option1": "Ann", "option2": "Eve", "answer": "2"},
    ],
    "commonsense_qa": [
        {"id": "c-1", "question": " Where do fish live? ", "question_concept": "fish",
         "choices": {"label": list("ABCDE"), "text": ["water", "air", "a tree", "a book", "the moon"]},
         "answerKey": "A"},
    ],
    "piqa": [
        {"goal": "How do I open a door?", "sol1": "Turn the handle.", "sol2": "Turn the wall. ", "label": 0},
        {"goal": "cup", "sol1": " hold water", "sol2": "hold fire", "label": 1},
    ],
    "mmlu": [
        {"subject": "college_computer_science", "question": " What is 1 + 1?\n", "choices": ["1", "2", "3", "4"],
         "answer": 1},
        {"subject": "anatomy", "question": "Where is the heart?", "choices": ["chest", "foot", "hand", "ear"],
         "answer": 0},
    ],
}
DEVELOPMENT = [
    {"subject": subject, "question": f"{'What is ' if i else ' '}{i}{'?' * (i % 2)}",
     "choices": [f"{letter}{i}" for letter in "pqrs"], "answer": i % 4}
    for subject in ("anatomy", "college_computer_science") for i in range(6)
]
YAML = {"arc_easy": "arc/arc_easy.yaml", "boolq": "super_glue/boolq/default.yaml", "hellaswag": "hellaswag/hellaswag.yaml",
        "winogrande": "winogrande/default.yaml", "commonsense_qa": "commonsense_qa/default.yaml",
        "piqa": "piqa/piqa.yaml"}
PAIRS = [("The dog", " runs"), ("The dog ", "runs"), ("The dog \n ", " runs"), ("", "The dog"), ("Wait", "ing"),
         ("a caf\u00e9", "\u00e9s"), ("end\u00a0", "x"), ("It's", "'s"), ("1", "23"), ("Answer:", " yes\n"),
         ("Question: who?\nAnswer:", "  two blanks"), ("\u4f60", "\u597d")]


def requests_of(name: str, path: pathlib.Path, items: list, development: list, shots: int) -> list:
    """The harness' own requests, in the form [[[context, continuation], …], gold]."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for split, lines in (("test", items), ("dev", development)):
            files[split] = str(pathlib.Path(folder) / f"{split}.jsonl")
            pathlib.Path(files[split]).write_text("".join(json.dumps(line) + "\n" for line in lines or items))
        config = {"task": f"golden_{name}", "dataset_path": "json", "dataset_name": None,
                  "dataset_kwargs": {"data_files": files, "cache_dir": folder}, "training_split": None,
                  "validation_split": None, "test_split": "test", "num_fewshot": shots}
        if shots:
            config |= {"fewshot_split": "dev"}
        if name == "hellaswag":
            config["process_docs"] = hellaswag.process_docs
        if name == "winogrande":
            config |= {f"doc_to_{part}": getattr(winogrande, f"doc_to_{part}") for part in ("text", "target", "choice")}
        base = yaml.load(path.read_text(), Loader)
        if "include" in base:
            base = yaml.load((path.parent / base.pop("include")).read_text(), Loader) | base
        base.pop("tag", None)
        task = ConfigurableTask(config=base | config)
        task.set_fewshot_seed(1234)
        task.build_all_requests()
        result = []
        for instance in task.instances:
            if instance.idx == 0:
                gold = task.doc_to_text(instance.doc) if task.multiple_input else task.doc_to_target(instance.doc)
                choices = task.doc_to_choice(instance.doc)
                result.append({"choices": [], "gold": gold if isinstance(gold, int) else choices.index(gold)})
            result[-1]["choices"].append(list(instance.args))
        return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizer", default="gpt2")
    tokenizer = parser.parse_args().tokenizer
    tasks = {}
    for name, path in YAML.items():
        tasks[name] = {"files": {"validation.jsonl": ITEMS[name]},
                       "requests": requests_of(name, TASKS / path, ITEMS[name], [], 0)}
    for name, shots in (("mmlu", 0), ("mmlu_5_shot", 5)):
        requests = []
        for item in ITEMS["mmlu"]:
            path = TASKS / "mmlu" / "default" / f"mmlu_{item['subject']}.yaml"
            development = [line for line in DEVELOPMENT if line["subject"] == item["subject"]]
            requests += requests_of(name, path, [item], development, shots)
        tasks[name] = {"files": {"test.jsonl": ITEMS["mmlu"], "dev.jsonl": DEVELOPMENT}, "requests": requests}

    model = HFLM.__new__(HFLM)
    model.tokenizer = AutoTokenizer.from_pretrained(tokenizer)
    model.backend, model.add_bos_token, model.custom_prefix_token_id = "causal", None, None
    model.enable_thinking = False
    pairs = []
    for context, continuation in PAIRS:
        seen = []
        model._loglikelihood_tokens = lambda requests, **_: seen.extend(requests) or [(0.0, False)]
        model.loglikelihood([Instance("loglikelihood", {}, (context, continuation), 0)], disable_tqdm=True)
        pairs.append({"context": context, "continuation": continuation, "context_tokens": seen[0][1],
                      "continuation_tokens": seen[0][2]})
    text = json.dumps({"tasks": tasks, "encoded_pairs": pairs}, indent=1)
    (HERE / "prompts.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
