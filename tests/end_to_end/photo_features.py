#!/usr/bin/env python3
"""Drives `bitmar features` with views to train on: which photo a row shows, and how, depends on the seed and the row alone,
and a file never holds rows of two ways to show the photos.

    photo_features.py TOOL MODEL PHOTO_FOLDER         exit status 77: there is no such model
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
TOOL, MODEL, PHOTOS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])


class PhotoFeatures(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def features(self, name: str, *options: object, status: int = 0) -> str:
        """What it says of an error; the file is NAME in the folder."""
        command = [TOOL, "features", "--tower", MODEL, PHOTOS, "-o", self.folder / name, "--pool", *options]
        done = subprocess.run([str(argument) for argument in command], text=True, capture_output=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def rows(self, name: str, *options: object) -> bytes:
        self.features(name, *options)
        return (self.folder / name).read_bytes()

    def test_a_view_depends_on_seed_and_row_alone(self) -> None:
        view = self.rows("one.npy", "--view", 1, "-t", 1)
        self.assertEqual(self.rows("two.npy", "--view", 1, "-t", 2), view)
        others = [self.rows("other.npy", "--view", 2), self.rows("plain.npy"), self.rows("mirror.npy", "--mirror")]
        self.assertEqual(len({view, *others}), 4)

    def test_a_file_holds_one_way_to_show_the_photos(self) -> None:
        for first, second, told in ((("--view", 1), (), "view_seed"), ((), ("--view", 1), "view_seed"),
                                    (("--view", 1), ("--view", 2), "view_seed"), (("--mirror",), (), "mirror")):
            with self.subTest(first=first, second=second):
                rows = self.rows("features.npy", "--overwrite", *first)
                error = self.features("features.npy", *second, status=1)
                self.assertIn("features.npy", error)
                self.assertIn(told, error)
                self.assertEqual((self.folder / "features.npy").read_bytes(), rows)
                self.assertNotEqual(self.rows("features.npy", "--overwrite", *second), rows)

    def test_a_view_is_mirrored_by_its_seed_alone(self) -> None:
        self.assertIn("--mirror", self.features("features.npy", "--view", 1, "--mirror", status=2))
        self.assertFalse((self.folder / "features.npy").exists())


if __name__ == "__main__":
    if not MODEL.exists():
        print(f"skipped: no {MODEL}")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2)
