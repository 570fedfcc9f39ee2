#!/usr/bin/env python3
"""Drives `bitmar eval`: a task that there is not, words that belong to no option, files of which one is missing.

    eval_command.py TOOL WRITE_SMALL_MODELS
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL, WRITE_SMALL_MODELS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
USAGE_ERROR = 2


class EvalCommand(unittest.TestCase):
    def run_tool(self, *arguments: object, status: int = 0) -> tuple[str, str]:
        done = subprocess.run([TOOL, "eval", *map(str, arguments)], text=True, capture_output=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout, done.stderr

    def test_a_wrong_name_is_named_with_where_the_right_ones_are(self) -> None:
        for arguments, message in [(["nosuch"], "eval: no task 'nosuch'"),
                                   (["nosuch", "--data", "x"], "eval: no task 'nosuch'"),
                                   ([], "eval: expected a task, or all"),
                                   (["--data", "x", "nosuch"], "eval: expected a task, found '--data'")]:
            _, errors = self.run_tool(*arguments, status=USAGE_ERROR)
            self.assertEqual(errors, f"bitmar: {message} (see bitmar eval --help)\n")

    def test_what_no_option_takes_is_refused(self) -> None:
        for words in (["piqa", "--bogus"], ["piqa", "blimp"], ["--data", "x", "piqa"], ["piqa", "--data", "x", "all"]):
            _, errors = self.run_tool(*words, status=USAGE_ERROR)
            self.assertIn("(see bitmar eval piqa --help)", errors)

    def test_help_lists_the_files_of_every_task(self) -> None:
        text = " ".join(self.run_tool("--help")[0].split())
        self.assertIn("(mmlu/test.jsonl with dev.jsonl)", text)
        self.assertIn("captions of photos, pixels in (flickr8k/dev.txt with captions.tsv)", text)

    def test_a_task_without_one_of_its_files_is_left_out_by_name(self) -> None:
        question = {"subject": "s", "question": "q", "choices": list("abcd"), "answer": 0}
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([WRITE_SMALL_MODELS, folder], check=True)
            for name, text in [("mmlu/test.jsonl", json.dumps(question)), ("flickr8k/dev.txt", "1.jpg\n")]:
                path = pathlib.Path(folder) / name
                path.parent.mkdir()
                path.write_text(text)
            options = ["--data", folder, "-m", f"{folder}/tower.gguf", "-t", 1]
            out, _ = self.run_tool("all", *options)
            for left_out in ("mmlu_5_shot: not run, " + folder + "/mmlu: has no dev.jsonl",
                             "captions: not run, " + folder + "/flickr8k: has no captions.tsv"):
                self.assertIn(left_out, out)
            results = json.loads(self.run_tool("all", *options, "--json")[0])
            self.assertEqual([task["task"] for task in results["tasks"]], ["mmlu"])
            self.assertLessEqual({"mmlu_5_shot", "captions", "retrieval", "second_caption"}, set(results["missing"]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
