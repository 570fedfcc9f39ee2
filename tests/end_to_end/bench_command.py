#!/usr/bin/env python3
"""Drives `bitmar bench` on small random models: its JSON is complete and plausible. No time is compared with another,
except parts with their whole.

    bench_command.py TOOL WRITE_SMALL_MODELS PHOTO_FOLDER
"""

import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL, WRITE_SMALL_MODELS, PHOTOS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
STAGES = ["embedding", "encoder attention", "encoder feed-forward", "fusion", "memory read", "injection",
          "decoder attention", "decoder feed-forward", "head"]


class BenchCommand(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.models = pathlib.Path(folder.name)
        subprocess.run([WRITE_SMALL_MODELS, cls.models], check=True)

    def start(self, model: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("BITMAR_")}
        return subprocess.run([TOOL, "bench", "-m", self.models / model, *map(str, arguments)], env=kept | environment,
                              capture_output=True, text=True)

    def bench(self, model: str, *arguments: object, **environment: str) -> dict:
        done = self.start(model, "-p", 8, "-n", 3, "-r", 1, "--json", *arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_times(self, times: dict) -> None:
        minimum, median = times["microseconds_minimum"], times["microseconds_median"]
        self.assertTrue(math.isfinite(median) and 0 < minimum <= median, times)
        self.assertAlmostEqual(times["spread"], median / minimum - 1)

    def assert_tokens(self, times: dict, tokens: int) -> None:
        self.assertEqual(times["tokens"], tokens)
        self.assert_times(times)
        self.assertAlmostEqual(times["tokens_per_second"] * times["microseconds_median"] / 1e6 / tokens, 1)

    def assert_start(self, start: dict, parts: list[str]) -> None:
        self.assertGreaterEqual(start["prompt_tokens"], 1)
        for part in [*parts, "total"]:
            self.assert_times(start[part])
        # One repetition: the whole holds the parts, and what a busy machine puts between them.
        sum_of_parts = sum(start[part]["microseconds_median"] for part in parts)
        self.assertGreaterEqual(start["total"]["microseconds_median"], 0.999 * sum_of_parts)

    def assert_refused(self, *arguments: object, name: str) -> None:
        done = self.start("tower.gguf", *arguments)
        self.assertIn(done.returncode, (1, 2))
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Abitmar: [^\n]+\n\Z")
        self.assertIn(name, done.stderr)

    def test_a_model_with_a_tower_has_every_measurement(self) -> None:
        report = self.bench("tower.gguf", "-t", "1,2", "--stages")
        self.assertEqual(set(report["machine"]),
                         {"processor", "cores", "system", "isa", "compiler", "build", "version"})
        self.assertTrue(all(report["machine"].values()), report["machine"])
        self.assertEqual(report["photo"], "synthetic")
        self.assertEqual([run["threads"] for run in report["runs"]], [1, 2])
        for run in report["runs"]:
            self.assert_tokens(run["prefill"], 8)
            for name in ("decode", "decode_sampling", "decode_no_memory", "decode_full_window"):
                self.assert_tokens(run[name], 3)
            full = run["decode_full_window"]
            self.assertGreaterEqual(full["context_tokens"], 1100)
            self.assertAlmostEqual(full["ratio_to_decode"],
                                   full["microseconds_median"] / run["decode"]["microseconds_median"])
            self.assert_start(run["start"], ["engine", "session", "first_token"])
            self.assert_start(run["caption_start"], ["engine", "session", "photo", "first_token"])
            self.assertIsNone(run["photo"]["decode"])
            self.assert_times(run["photo"]["fit"])
            self.assert_times(run["photo"]["tower"])
            self.assertEqual(run["caption"]["beam"], 4)
            self.assert_times(run["caption"])
            self.assertEqual([stage["stage"] for stage in run["stages"]], STAGES)
            for stage in run["stages"]:
                self.assertTrue(all(math.isfinite(stage[key]) and stage[key] >= 0
                                    for key in ("microseconds", "microseconds_full_window")), stage)
            for key in ("microseconds", "microseconds_full_window"):
                self.assertGreater(sum(stage[key] for stage in run["stages"]), 0)
            energy, = run["energy"].items()
            self.assertTrue(energy[0] == "joules_per_token" and energy[1] > 0 or
                            energy[0] == "unavailable" and energy[1], energy)
        self.assertEqual([step["after"] for step in report["memory"]],
                         ["process start", "engine", "session", "prompt", "text", "photo", "caption"])
        for step in report["memory"]:
            self.assertGreaterEqual(step["peak_bytes"], step["resident_bytes"])
            self.assertGreater(step["resident_bytes"], 100_000)

    def test_a_photo_from_a_file_is_decoded(self) -> None:
        photo = sorted(PHOTOS.glob("*.jpg"))[0]
        report = self.bench("tower.gguf", "-t", 1, "--image", photo)
        self.assertEqual(report["photo"], str(photo))
        self.assert_times(report["runs"][0]["photo"]["decode"])
        self.assertNotIn("stages", report["runs"][0])

    def test_what_a_model_lacks_is_null(self) -> None:
        report = self.bench("features.gguf", "-t", 1)
        run, = report["runs"]
        self.assertEqual([run["photo"], run["caption"], run["caption_start"], report["photo"]], [None] * 4)
        self.assertEqual(report["memory"][-1]["after"], "text")
        self.assertIsNotNone(run["decode_no_memory"])
        self.assertIsNone(self.bench("no-memory.gguf", "-t", 1)["runs"][0]["decode_no_memory"])

    def test_the_instruction_set_is_the_one_asked_for(self) -> None:
        self.assertEqual(self.bench("features.gguf", "-t", 1, "--isa", "scalar")["machine"]["isa"], "scalar")
        self.assertEqual(self.bench("features.gguf", "-t", 1, BITMAR_ISA="scalar")["machine"]["isa"], "scalar")

    def test_the_table_shows_what_the_json_holds(self) -> None:
        done = self.start("tower.gguf", "-p", 8, "-n", 3, "-r", 1, "-t", "1,2", "--stages")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in ("1 thread ", "2 threads", "prefill, 8 tokens", "decode, 3 tokens", "sampling", "memory off",
                     "after 1100", "first token of a caption", "vision tower", "energy", "memory after", *STAGES):
            self.assertIn(line, done.stdout)

    def test_bad_input_is_named(self) -> None:
        self.assert_refused("-p", 0, name="prefill tokens is 0")
        self.assert_refused("-r", 0, name="repetitions is 0")
        self.assert_refused("-t", "1,0", name="--threads")
        self.assert_refused("--isa", "6502", name="6502")
        self.assert_refused("--image", self.models / "none.jpg", name="none.jpg")
        self.assert_refused("--tower", self.models / "none.gguf", name="none.gguf")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
