"""A corpus of a few made photos, captions and words, and runs of the real trainer on it.

    training = TinyTraining(tmp_path, trainer=program("bitmar-train"))
    training.run("a", steps=24)
    lines = training.log("a")
"""

import json
from pathlib import Path

import numpy as np
from programs import output_of

ROOT = Path(__file__).resolve().parent.parent
IMAGES, CAPTIONS = 24, 4

# 256 bytes, one merge, the end of text.
TINY_MODEL = {"vocabulary": 258, "width": 16, "heads": 2, "ffn_hidden": 32, "encoder_layers": 2, "decoder_layers": 2,
              "vision_width": 6, "compression_hidden": 20, "memory_slots": 10, "memory_write_slots": 3}
PATCHES = 16


class TinyTraining:
    """`model` is the configuration's [model]; `merges` belong to its vocabulary (default: TINY_MODEL's)."""

    def __init__(self, folder: Path, trainer: Path, model: dict | None = None, vision_width: int | None = None,
                 patches: int = PATCHES, merges: Path | None = None):
        self.folder, self.trainer = folder, trainer
        self.model = model or TINY_MODEL
        self.merges = merges or folder / "merges.txt"
        if merges is None:
            self.merges.write_text("#version: 0.2\nb a\n")
        self._write_corpus(patches, vision_width or self.model["vision_width"])
        output_of([trainer, "prepare", "--config", self._write_config("prepare", {})])

    def command(self, name: str, resume: bool = False, **settings) -> list:
        """The command that trains the run `name`; `settings` are keys of [train], section__key of others, or practice."""
        config = self._write_config(name, settings)
        return [self.trainer, "train", "--quiet", "--config", config] + (["--resume"] if resume else [])

    def run(self, name: str, **settings) -> Path:
        """Trains to the end; the run's folder."""
        output_of(self.command(name, **settings))
        return self.folder / name

    def log(self, name: str) -> list[dict]:
        """The logged lines without what depends on the clock."""
        path = self.folder / name / "log" / "log.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [{key: value for key, value in line.items() if key not in ("time", "train/tokens_per_second")}
                for line in lines]

    def _write_corpus(self, patches: int, vision_width: int) -> None:
        generator = np.random.default_rng(5)
        words = [f"{a}{b}" for a in ("ba", "do", "ki", "lu", "me", "no", "su") for b in ("", "r", "st", "ne")]
        names = [f"{image}.jpg" for image in range(IMAGES)]
        captions = [f"{name}\t{i}\t{' '.join(generator.choice(words, 4 + i))} .\n" for name in names
                    for i in range(CAPTIONS)]
        (self.folder / "captions.tsv").write_text("".join(captions))
        text = "\n".join(" ".join(generator.choice(words, 12)) for _ in range(120))
        (self.folder / "words.txt").write_text(text + "\n")
        features = generator.standard_normal((IMAGES, patches, vision_width)).astype(np.float16)
        np.save(self.folder / "features.npy", features)
        (self.folder / "features.npy.txt").write_text("\n".join(names) + "\n")

    def _write_config(self, name: str, settings: dict) -> Path:
        tables = {
            "model": dict(self.model),
            "data": {"root": str(self.folder), "shards": str(self.folder / "shards"), "merges": str(self.merges),
                     "prefetch": 2},
            "schedule": {"warmup_steps": 2},
            # It intervenes at the smallest excuse.
            "controller": {"average_steps": 4, "cooldown_steps": 3, "duration_steps": 5, "drop": 0.001},
            "train": {"run": str(self.folder / name), "threads": 1, "log_every": 1, "accumulation": 2},
        }
        settings = dict(settings)
        practice = settings.pop("practice", False)
        for key, value in settings.items():
            section, _, entry = key.rpartition("__")
            tables.setdefault(section or "train", {})[entry] = value
        sources = [{"name": "captions", "kind": "captions", "path": "captions.tsv"},
                   {"name": "words", "kind": "text", "path": "words.txt", "holdout_tokens": 600}]
        streams = [{"name": "photos", "sources": ["captions"], "features": [str(self.folder / "features.npy")],
                    "rows": 6, "segments": 2},
                   {"name": "text", "sources": ["words"], "rows": 4, "segments": 2, "length": 20}]
        lists = [("source", each) for each in sources] + [(kind, each) for kind in ("train", "validation")
                                                          for each in streams]
        if practice:  # captions that the model draws itself
            lists.append(("train", streams[0] | {"name": "practice", "length": 12, "samples": 3}))
        # TOML's values are JSON's here: strings, numbers, booleans and lists of them.
        lines = []
        for section, entries in tables.items():
            lines += [f"[{section}]"] + [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
        for kind, entries in lists:
            lines += [f"[[data.{kind}]]"] + [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return path
