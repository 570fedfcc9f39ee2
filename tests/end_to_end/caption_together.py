#!/usr/bin/env python3
"""Drives `bitmar caption` and `bitmar eval captions`: photos that are captioned together have the captions and exact
log-probabilities that they have alone, and one that cannot be read costs the others nothing.

    caption_together.py TOOL MODEL PHOTO_FOLDER       exit status 77: there is no such model
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
TOOL, MODEL, PHOTOS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])


class CaptionTogether(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.photos = sorted(PHOTOS.glob("*.jpg"))
        self.assertGreater(len(self.photos), 4)  # more than a group

    def run_tool(self, *arguments: object, status: int = 0) -> tuple[str, str]:
        done = subprocess.run([TOOL, *map(str, arguments), "-m", str(MODEL)], text=True, capture_output=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout, done.stderr

    def captions(self, *arguments: object, status: int = 0) -> list[tuple[str, str, float]]:
        """File, caption, log-probability, which is printed exactly."""
        out, _ = self.run_tool("caption", *arguments, "--json", status=status)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertTrue(all(line["milliseconds"] > 0 for line in lines))
        return [(line["file"], line["caption"], line["log_probability"]) for line in lines]

    def test_photos_together_have_the_captions_of_photos_alone(self) -> None:
        for beam in (1, 2, 4):
            alone = [self.captions("--beam", beam, photo)[0] for photo in self.photos]
            self.assertGreater(len({caption for _, caption, _ in alone}), 1)
            for threads in (1, 2):
                self.assertEqual(self.captions("--beam", beam, "-t", threads, *self.photos), alone)

    def test_a_memory_is_read_by_all(self) -> None:
        memory = self.folder / "some.memory"
        self.run_tool("memory", "write", self.photos[0], "--text", "Our words.", "--memory", memory)
        options = ("--beam", 1, "--memory", memory)
        alone = [self.captions(*options, photo)[0] for photo in self.photos]
        self.assertNotEqual(alone, self.captions("--beam", 1, *self.photos))
        self.assertEqual(self.captions(*options, *self.photos), alone)

    def test_a_photo_that_cannot_be_read_costs_the_others_nothing(self) -> None:
        broken = self.folder / "broken.jpg"
        broken.write_bytes(self.photos[0].read_bytes()[:200])
        expected = self.captions("--beam", 1, *self.photos)
        for place in range(len(self.photos) + 1):
            photos = [*self.photos[:place], broken, *self.photos[place:]]
            self.assertEqual(self.captions("--beam", 1, *photos, status=1), expected)
        errors = self.run_tool("caption", "--beam", 1, broken, *self.photos, status=1)[1]
        self.assertEqual(errors.count(str(broken)), 1)
        self.assertIn(f"1 of {len(self.photos) + 1} photos", errors)

    def test_the_evaluation_has_the_same_captions(self) -> None:
        references = self.folder / "references.tsv"
        references.write_text("".join(f"{photo.name}\t0\tA photo.\n" for photo in self.photos))
        expected = {pathlib.Path(file).name: caption for file, caption, _ in self.captions("--beam", 1, *self.photos)}
        for threads in (1, 2):
            predictions = self.folder / "predictions.json"
            self.run_tool("eval", "captions", "--images", PHOTOS, "--references", references, "--beam", 1, "-t",
                          threads, "--predictions", predictions)
            found = {line["image_id"]: line["caption"] for line in json.loads(predictions.read_text())}
            self.assertEqual(found, expected)


if __name__ == "__main__":
    if not MODEL.exists():
        print(f"skipped: no {MODEL}")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2)
