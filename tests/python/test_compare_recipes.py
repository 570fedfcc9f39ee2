"""scripts/compare_recipes.py with a trainer that only writes a log: what it asks of the trainer, and what it prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAINER = """#!{python}
import json, sys
from pathlib import Path
words = sys.argv[1:]
sets = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "--set")
run = Path(json.loads(sets["train.run"]))
with open("{calls}", "a") as calls:
    print(run.name, "resumed" if "--resume" in words else "new", sets.get("schedule.peak", "-"), file=calls)
if sets.get("schedule.peak") == "-1":
    sys.exit("schedule.peak is -1")
(run / "log").mkdir(parents=True, exist_ok=True)
(run / "checkpoints").mkdir(exist_ok=True)
if "--resume" not in words:
    perplexity = 100 * float(sets.get("schedule.peak", 1))
    lines = [{{"step": 2, "validation/text/perplexity": 7.0, "validation/text/cosine": 0.1}},
             {{"step": 4, "validation/text/perplexity": perplexity, "validation/text/cosine": 0.5}}, {{"step": 5}}]
    (run / "log/log.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""


@pytest.fixture
def compare(tmp_path):
    trainer, calls = tmp_path / "trainer", tmp_path / "calls"
    trainer.write_text(TRAINER.format(python=sys.executable, calls=calls))
    trainer.chmod(0o755)
    command = [sys.executable, ROOT / "scripts/compare_recipes.py", "--trainer", trainer, "--runs", tmp_path / "runs"]

    def run(*variants: str) -> tuple[subprocess.CompletedProcess, list[str]]:
        calls.unlink(missing_ok=True)
        done = subprocess.run([*command, "small.toml", *variants], capture_output=True, text=True, check=False)
        return done, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_a_table_of_the_last_evaluations_with_the_configuration_first(compare):
    done, calls = compare("half the rate: schedule.peak=0.5")
    assert calls == ["base new -", "schedule.peak-0.5 new 0.5"]
    assert done.stdout.splitlines() == [
        "| variant | settings | text/perplexity | text/cosine |", "|---|---|---|---|",
        "| base | - | 100.0 | 0.500 |", "| half the rate | schedule.peak=0.5 | 50.0 | 0.500 |"]


def test_runs_go_on_under_the_same_settings_only(compare):
    first, _ = compare("other: schedule.peak=2")
    again, calls = compare("other: schedule.peak=2")
    assert calls == ["base resumed -", "schedule.peak-2 resumed 2"] and again.stdout == first.stdout
    changed, calls = compare("other: schedule.peak=3")
    assert calls == ["base resumed -", "schedule.peak-3 new 3"] and "| 300.0 |" in changed.stdout


def test_errors_end_it_without_a_table(compare):
    done, calls = compare("double schedule.peak=2")
    assert done.returncode != 0 and not calls and not done.stdout
    assert "expected 'name: table.key=value" in done.stderr
    done, _ = compare("wrong: schedule.peak=-1")
    assert done.returncode != 0 and not done.stdout
    assert "schedule.peak is -1" in done.stderr and "exit status 1" in done.stderr
