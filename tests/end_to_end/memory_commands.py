#!/usr/bin/env python3
"""Drives `bitmar memory`, every step in a new process: what is written changes captions, survives export and import bit
for bit, and is gone without a trace once it is forgotten.

    memory_commands.py TOOL MODEL PHOTO_FOLDER        exit status 77: there is no such model
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
TOOL, MODEL, PHOTOS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])


class MemoryCommands(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.photo, self.other = sorted(PHOTOS.glob("*.jpg"))[:2]

    def environment(self, home: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in ("XDG_DATA_HOME", "BITMAR_MEMORY")}
        return kept | {"HOME": str(self.folder / home), "BITMAR_MODEL": str(MODEL)}

    def start(self, *arguments: object, home: str = "home", **environment: str) -> subprocess.Popen:
        return subprocess.Popen([TOOL, *map(str, arguments)], env=self.environment(home) | environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_tool(self, *arguments: object, home: str = "home", **environment: str) -> str:
        process = self.start(*arguments, home=home, **environment)
        out, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)
        return out

    def memory(self, *arguments: object, home: str = "home", **environment: str) -> dict:
        return json.loads(self.run_tool("memory", *arguments, "--json", home=home, **environment))

    def caption(self, *arguments: object, home: str = "home") -> tuple[str, float]:
        """The caption and its log-probability, which is printed exactly."""
        line = json.loads(self.run_tool("caption", self.photo, "--json", *arguments, home=home))
        return line["caption"], line["log_probability"]

    def remembered_caption(self, home: str = "home") -> tuple[str, float]:
        return self.caption("--memory", "default", home=home)

    def assert_refused(self, *arguments: object, names: list[object], home: str = "home") -> None:
        """One line on standard error that names the cause, nothing on standard output."""
        process = self.start(*arguments, home=home)
        out, errors = process.communicate()
        self.assertIn(process.returncode, (1, 2), errors)
        self.assertEqual(out, "")
        self.assertRegex(errors, r"\Abitmar: [^\n]+\n\Z")
        for name in names:
            self.assertIn(str(name), errors)

    def files(self, home: str = "home") -> list[pathlib.Path]:
        return [path for path in (self.folder / home).rglob("*") if path.is_file()]

    def test_writing_changes_captions_and_forgetting_restores_them(self) -> None:
        shipped = self.caption()
        self.assertEqual(self.memory("list")["episodes"], [])
        self.assertEqual(self.remembered_caption(), shipped)
        self.assertEqual(self.files(), [])

        first = self.memory("write", self.photo, "--text", "Our first words.")
        self.assertEqual((first["id"], first["text"], first["source"]), (1, "Our first words.", str(self.photo)))
        self.assertRegex(first["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertAlmostEqual(sum(slot["weight"] for slot in first["slots"]), 1.0, places=5)
        with_first = self.remembered_caption()
        self.assertNotEqual(with_first, shipped)
        self.assertEqual(self.caption(), shipped)

        second = self.memory("write", self.photo)
        self.assertEqual(second["text"], with_first[0])
        third = self.memory("write", "--text", "Words alone.")
        self.assertEqual((third["id"], third["source"]), (3, ""))
        listed = self.memory("list", "--slots")
        self.assertEqual(listed["episodes"], [first, second, third])
        holders = {slot["slot"] for slot in listed["slots"] for share in slot["episodes"] if share["id"] == 3}
        self.assertEqual(holders, {slot["slot"] for slot in third["slots"]})
        self.assertTrue(all(0 <= slot["usage"] <= 1 for slot in listed["slots"]))

        self.assertEqual(self.memory("forget", 3, 2), {"forgotten": [3, 2], "remaining": 1})
        self.assertEqual(self.remembered_caption(), with_first)
        self.memory("forget", 1)
        self.assertEqual(self.remembered_caption(), shipped)
        self.memory("write", self.other)
        self.assertNotEqual(self.remembered_caption(), shipped)
        self.assertEqual(self.memory("forget", "--all"), {"forgotten": [4], "remaining": 0})
        self.assertEqual(self.remembered_caption(), shipped)

    def test_export_and_import_keep_every_bit(self) -> None:
        self.memory("write", self.photo, "--text", "A photo.")
        self.memory("write", self.other)
        expected = self.remembered_caption()
        text = self.run_tool("generate", "-p", "It is", "--temp", 0, "-n", 12, "--memory", "default")
        exported = self.folder / "exported.memory"
        self.assertEqual(self.memory("export", exported)["episodes"], 2)

        inspected = json.loads(self.run_tool("inspect", exported, "--json"))
        self.assertEqual((inspected["kind"], inspected["metadata"]["episodes"]), ("memory snapshot", 2))
        self.memory("import", exported, home="second")
        self.assertEqual(self.memory("list", home="second")["episodes"], self.memory("list")["episodes"])
        self.assertEqual(self.remembered_caption(home="second"), expected)
        self.assertEqual(self.caption("--memory", exported, home="third"), expected)
        self.assertEqual(self.run_tool("generate", "-p", "It is", "--temp", 0, "-n", 12, "--memory", exported), text)
        again = self.folder / "again.memory"
        self.memory("export", again, home="second")
        self.assertEqual(again.read_bytes(), exported.read_bytes())

        self.memory("write", "--text", "One more.", home="second")
        self.assert_refused("memory", "import", exported, home="second", names=["3 episodes", "--force"])
        self.memory("import", exported, "--force", home="second")
        self.assertEqual(self.remembered_caption(home="second"), expected)
        self.assert_refused("memory", "export", exported, names=[exported, "--force"])

    def test_edit_rewrites_at_its_place(self) -> None:
        for text in ("One.", "Two.", "Three."):
            self.memory("write", self.photo, "--text", text)
        before = self.remembered_caption()
        edited = self.memory("edit", 2, "--text", "Another two.")
        self.assertEqual((edited["text"], edited["source"]), ("Another two.", str(self.photo)))
        self.assertEqual([episode["text"] for episode in self.memory("list")["episodes"]],
                         ["One.", "Another two.", "Three."])
        self.assertNotEqual(self.remembered_caption(), before)
        self.memory("edit", 2, "--text", "Two.")
        self.assertEqual(self.remembered_caption(), before)
        edited = self.memory("edit", 2, "--image", self.other)
        self.assertEqual(edited["source"], str(self.other))

    def test_concurrent_writers_lose_nothing(self) -> None:
        writers = [self.start("memory", "write", "--text", f"Episode {number}.", "-t", 1) for number in range(8)]
        for writer in writers:
            self.assertEqual((writer.communicate()[1], writer.returncode), ("", 0))
        episodes = self.memory("list")["episodes"]
        self.assertEqual([episode["id"] for episode in episodes], list(range(1, 9)))
        self.assertEqual({episode["text"] for episode in episodes}, {f"Episode {number}." for number in range(8)})
        self.assertEqual(len(self.files()), 1, self.files())

    def test_the_file_is_where_the_user_says(self) -> None:
        named, data = self.folder / "named.memory", self.folder / "data"
        self.memory("write", "--text", "Here.", "--memory", named)
        self.assertEqual(self.memory("list", BITMAR_MEMORY=str(named))["memory"], str(named))
        self.assertEqual(len(self.memory("list", BITMAR_MEMORY=str(named))["episodes"]), 1)
        self.memory("write", "--text", "There.", XDG_DATA_HOME=str(data))
        self.assertEqual(self.files("home"), [])
        found = self.files("data")
        self.assertEqual(len(found), 1)
        self.assertTrue(re.fullmatch(re.escape(MODEL.stem) + r"-[0-9a-f]{8}\.memory", found[0].name), found)

    def test_bad_input_changes_nothing(self) -> None:
        self.memory("write", self.photo, "--text", "Kept.")
        file, = self.files()
        kept = file.read_bytes()
        damaged = self.folder / "damaged.memory"
        damaged.write_bytes(kept[: len(kept) // 2])
        foreign = self.folder / "foreign.memory"
        model = json.loads(self.run_tool("inspect", file, "--json"))["metadata"]["model"]
        foreign.write_bytes(kept.replace(model.encode(), b"0123abcd" + model[8:].encode()))
        missing = self.folder / "missing.jpg"

        self.assert_refused("memory", "forget", 1, 99, names=[file, "episode 99"])
        self.assert_refused("memory", "forget", names=["--all"])
        self.assert_refused("memory", "edit", 7, "--text", "x", names=[file, "episode 7"])
        self.assert_refused("memory", "edit", 1, names=["--text", "--image"])
        self.assert_refused("memory", "write", names=["--text"])
        self.assert_refused("memory", "write", missing, names=[missing])
        self.assert_refused("memory", "write", self.photo, self.other, "--text", "x", names=["--text"])
        self.assert_refused("memory", "import", self.photo, "--force", names=[self.photo])
        self.assert_refused("memory", "import", damaged, "--force", names=[damaged])
        self.assert_refused("memory", "import", foreign, "--force", names=[foreign, "0123abcd", model[:8]])
        self.assert_refused("memory", "list", "--memory", missing, names=[missing])
        self.assert_refused("caption", self.photo, "--memory", missing, names=[missing])
        self.assert_refused("caption", self.photo, "--memory", file, "--no-memory", names=["--no-memory"])
        self.assert_refused("memory", "forget", "--all", "--memory", damaged, names=[damaged])
        self.assertEqual(file.read_bytes(), kept)
        self.assertEqual(self.files(), [file])
        file.write_bytes(kept[:100])
        self.assert_refused("memory", "list", names=[file])
        self.assert_refused("memory", "write", "--text", "x", names=[file])


if __name__ == "__main__":
    if not MODEL.exists():
        print(f"skipped: no {MODEL}")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2)
