#!/usr/bin/env python3
"""`bitmar report` as a reader sees it: the page of a made-up training in five stages, opened in headless Chromium on a
phone's and on a desktop's width.

    report_page.py TOOL WRITE_SMALL_MODELS PHOTO_FOLDER [SCREENSHOT_FOLDER]    exit status 77: there is no Chromium

The widths and places come from a copy of the page with a script that reports them; the page itself has none. With
SCREENSHOT_FOLDER the pictures stay there to be looked at.
"""

import html
import json
import math
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom
import zlib

SKIPPED = 77
TOOL, WRITE_SMALL_MODELS, PHOTOS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
SCREENSHOTS = pathlib.Path(sys.argv[4]).resolve() if len(sys.argv) > 4 else None
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (390, 1280)
SLOTS = 64
STAGES = {"first": 1500, "second stage": 600, "bitmar-14m-third": 1200, "settle": 700, "bitmar-14m-longer": 300}
FIGURES = {"loss", "perplexity", "contrast", "cosine", "reward", "slot-activation", "slot-usage", "effective-slots",
           "usage-entropy", "zeros", "zeros-by-matrix", "learning-rate", "read-attention"}
MAPS = {"slot-activation", "slot-usage", "zeros-by-matrix", "read-attention"}  # figures without stages
MEASURE = """<script>addEventListener('load', () => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.right, r.width, r.height]; };
  const place = e => { const r = e.getBoundingClientRect();
      return {left: r.left, right: r.right, top: r.top, bottom: r.bottom}; };
  const texts = [...document.querySelectorAll('svg text')].map(e => [e.textContent, ...box(e),
      parseFloat(getComputedStyle(e).fontSize) * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b)]);
  parent.postMessage(JSON.stringify({
    stages: Object.fromEntries([...document.querySelectorAll('svg:has(g.stages)')].map(svg => [svg.parentElement.id, {
      numbers: [...svg.querySelectorAll('g.stages text')].map(e => [e.textContent, place(e)]),
      lines: [...svg.querySelectorAll('g.stages line')].map(place),
      grid: [...svg.querySelectorAll(':scope > line[stroke="#ddd"]')].map(place)}])),
    inner: innerWidth, scroll: document.documentElement.scrollWidth, texts,
    figures: Object.fromEntries([...document.querySelectorAll('figure')].map(e => [e.id, box(e.querySelector('svg'))]))}), '*');
});</script>"""
# Chromium's windows are at least 500 pixels wide; a frame is as narrow as a phone.
FRAME = """<!DOCTYPE html><script>addEventListener('message', event => {
  document.documentElement.dataset.measured = event.data;
});</script><iframe src="SOURCE" style="border: 0; width: WIDTHpx; height: 900px"></iframe>"""


def write_run(folder: pathlib.Path, steps: int) -> None:
    """A log with everything that the trainer logs, and a name that wants to be markup."""
    (folder / "log").mkdir(parents=True)
    (folder / "config.toml").write_text(f'[train]\nsteps = {steps}\nrun = "{"x" * 150}"\n')
    matrices = [f"{stack}.layers.{layer}.ffn.{name}" for stack in ("encoder", "decoder") for layer in range(4)
                for name in ("up", "down")] + ["fusion.attention.query", "output"]
    with open(folder / "log" / "log.jsonl", "w") as log:
        for step in range(10, steps + 1, 10):
            fall = math.exp(-step / 400)
            line = {"step": step, "time": 1.7e9 + step, "loss/language": 3 + 7 * fall, "loss/contrast": 4 * fall,
                    "stream/practice/reward": 0.5 - 0.3 * fall,
                    f"stream/{'photos' if step % 20 else '<b>text</b>'}/loss": 3 + 6 * fall,
                    "alignment/average_cosine": 0.6 - 0.5 * fall, "train/learning_rate": min(2e-3, step * 1e-5)}
            if step == 200:
                line |= {"loss/contrast": None, "controller": "freeze-vision"}
            if step % 100 == 0:
                shares = [math.exp(-abs(slot - step / 50) / 9) for slot in range(SLOTS)]
                line |= {"memory/slot_usage": shares, "memory/slot_activation": [x / sum(shares) for x in shares],
                         "memory/effective_slots": 20, "memory/usage_entropy": 3.1, "zeros/overall": 0.4,
                         "validation/photos/cosine": 0.5, "validation/photos/cider": 0.4 - 0.2 * fall}
                line |= {f"zeros/{name}": 0.3 + 0.1 * (1 - fall) for name in matrices}
                for domain in range(7):
                    line[f"validation/domain-{domain}/perplexity"] = 30 * (domain + 1) * (1 + 9 * fall)
            log.write(json.dumps(line) + "\n")


def png_rows(path: pathlib.Path) -> tuple[int, list[bytes]]:
    """Width and the filtered rows of an 8-bit RGB or RGBA picture: enough to see whether there is anything."""
    data, place, packed = path.read_bytes(), 8, b""
    width = height = channels = 0
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place:place + 8])
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[place + 8:place + 18])
            channels = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            packed += data[place + 8:place + 8 + size]
        place += size + 12
    raw, stride = zlib.decompress(packed), width * channels + 1
    return width, [raw[row * stride:(row + 1) * stride] for row in range(height)]


class ReportPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        subprocess.run([WRITE_SMALL_MODELS, cls.folder], check=True)
        for name, steps in STAGES.items():
            write_run(cls.folder / name, steps)
        cls.written = cls.report(*STAGES, "-o", "report.html", "--json", "--model", "tower.gguf",
                                 "--image", sorted(PHOTOS.glob("*.jpg"))[0])
        cls.page = (cls.folder / "report.html").read_text()

    @classmethod
    def report(cls, *arguments: object) -> dict:
        done = subprocess.run([TOOL, "report", *map(str, arguments)], cwd=cls.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def chromium(self, page: pathlib.Path, width: int, *options: str) -> str:
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                 f"--user-data-dir={profile}", f"--window-size={width},900", *options, page.as_uri()],
                capture_output=True, text=True, timeout=300, env=os.environ | {"HOME": profile})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done.stdout

    def measured(self, width: int) -> dict:
        copy = self.folder / f"measured-{width}.html"
        copy.write_text(self.page.replace("</body>", MEASURE + "</body>"))
        frame = self.folder / f"frame-{width}.html"
        frame.write_text(FRAME.replace("SOURCE", copy.name).replace("WIDTH", str(width)))
        dom = self.chromium(frame, width + 100, "--dump-dom", "--virtual-time-budget=5000")
        found = re.search(r'data-measured="([^"]*)"', dom)
        self.assertIsNotNone(found, dom[:500])
        return json.loads(html.unescape(found.group(1)))

    def test_all_figures_are_there_and_inside_the_page(self) -> None:
        for width in WIDTHS:
            with self.subTest(width=width):
                measured = self.measured(width)
                self.assertEqual(measured["inner"], width)
                self.assertLessEqual(measured["scroll"], width)
                self.assertEqual(set(measured["figures"]), FIGURES)
                for name, (left, right, wide, high) in measured["figures"].items():
                    self.assertGreaterEqual(left, 0, name)
                    self.assertLessEqual(right, width, name)
                    self.assertGreater(wide, 340, name)
                    self.assertGreater(high, 100, name)
                self.assertGreater(len(measured["texts"]), 100)
                for text, left, right, _, _, size in measured["texts"]:
                    self.assertGreaterEqual(left, 0, text)
                    self.assertLessEqual(right, width, text)
                    self.assertGreaterEqual(size, 10, text)

    def test_stages_are_numbered_above_the_plot_each_in_its_own(self) -> None:
        for width in WIDTHS:
            stages = self.measured(width)["stages"]
            self.assertEqual(set(stages), FIGURES - MAPS)
            for figure, drawn in stages.items():
                with self.subTest(width=width, figure=figure):
                    left, right = (choose(line[side] for line in drawn["grid"])
                                   for choose, side in ((min, "left"), (max, "right")))
                    edges = [left, *(line["left"] for line in drawn["lines"]), right]
                    self.assertEqual([number for number, _ in drawn["numbers"]], ["1", "2", "3", "4", "5"])
                    self.assertEqual(len(edges), len(STAGES) + 1)
                    for (number, place), begin, end in zip(drawn["numbers"], edges, edges[1:]):
                        self.assertGreater(place["left"], begin, number)
                        self.assertLess(place["right"], end, number)
                        self.assertLessEqual(place["bottom"], min(line["top"] for line in drawn["grid"]), number)

    def test_screenshots_show_colours_everywhere(self) -> None:
        for width in WIDTHS:
            target = (SCREENSHOTS or self.folder) / f"report-{width}.png"
            self.chromium(self.folder / "report.html", width, f"--screenshot={target}", f"--window-size={width},3000")
            wide, rows = png_rows(target)
            self.assertEqual(wide, width)
            self.assertGreater(len(set(rows)), 1000, "nearly all rows of the picture look alike")

    def test_the_page_needs_nothing_else(self) -> None:
        self.assertNotRegex(self.page, r"(?i)https?:|<script|<link|<iframe|@import|url\(|\ssrc=\"(?!data:)|href=\"(?!data:|#)")
        self.assertNotIn("<b>text</b>", self.page)
        self.assertIn("&lt;b&gt;text&lt;/b&gt;", self.page)
        self.assertIn("<img alt=\"The photo:", self.page)

    def test_every_figure_is_a_file_with_words(self) -> None:
        files = [self.folder / figure["file"] for figure in self.written["figures"]]
        self.assertEqual({file.stem for file in files}, FIGURES)
        self.assertEqual(set((self.folder / "report-figures").iterdir()), set(files))
        for file in files:
            root = xml.dom.minidom.parse(str(file)).documentElement
            self.assertEqual((root.tagName, root.getAttribute("role")), ("svg", "img"))
            words = {child.tagName: child.firstChild.data for child in root.childNodes
                     if child.nodeType == child.ELEMENT_NODE and child.tagName in ("title", "desc")}
            self.assertGreater(len(words["title"]), 5)
            self.assertGreater(len(words["desc"]), 20)
            self.assertNotRegex(file.read_text(), r"(?<![a-z])(nan|inf)(?![a-z])")
        self.assertEqual(self.written["steps"], sum(STAGES.values()))

    def test_a_bad_log_is_one_line(self) -> None:
        bad = self.folder / "bad.jsonl"
        bad.write_text('{"step": 1, "x": 1}\n{"step": 2, "x": {}}\n')
        for arguments, name in (([bad], f"{bad}:2:"), ([self.folder / "none"], "log.jsonl"),
                                (["first", "--image", self.folder / "none.jpg", "-m", "tower.gguf"], "none.jpg"),
                                (["first", "--model", "tower.gguf"], "--image")):
            done = subprocess.run([TOOL, "report", *map(str, arguments), "-o", "bad.html"], cwd=self.folder,
                                  capture_output=True, text=True)
            self.assertIn(done.returncode, (1, 2))
            self.assertRegex(done.stderr, r"\Abitmar: [^\n]+\n\Z")
            self.assertIn(name, done.stderr)
            self.assertFalse((self.folder / "bad.html").exists())


if __name__ == "__main__":
    if CHROMIUM is None:
        print("skipped: no Chromium")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1], verbosity=2)
