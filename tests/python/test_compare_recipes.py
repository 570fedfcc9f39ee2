"""scripts/compare_recipes.py with a trainer that only writes a log: which runs it starts, goes on with and leaves alone."""

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
(run / "log").mkdir(parents=True, exist_ok=True)
with open("{calls}", "a") as calls:
    print(run.name, "resumed" if "--resume" in words else "new", sets.get("schedule.peak", "-"), file=calls)
perplexity = 100 * float(sets.get("schedule.peak", 1))
lines = [{{"step": 4, "validation/text/perplexity": perplexity, "validation/text/cosine": 0.5}}, {{"step": 4}}]
(run / "log/log.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""


@pytest.fixture
def compare(tmp_path):
    trainer, calls = tmp_path / "trainer", tmp_path / "calls"
    trainer.write_text(TRAINER.format(python=sys.executable, calls=calls))
    trainer.chmod(0o755)
    config = tmp_path / "small.toml"
    config.write_text(f'[train]\nrun = "{tmp_path / "runs"}"\nsteps = 4\n')

    def run(*variants: str) -> tuple[subprocess.CompletedProcess, list[str]]:
        calls.unlink(missing_ok=True)
        command = [sys.executable, ROOT / "scripts/compare_recipes.py", "--trainer", trainer, config, *variants]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_a_table_with_the_configuration_first(compare):
    done, calls = compare("half the rate: schedule.peak=0.5")
    assert calls == ["base new -", "half-the-rate new 0.5"]
    assert done.stdout.splitlines() == [
        "| variant | settings | text/perplexity | text/cosine |", "|---|---|---|---|",
        "| base | - | 100.0 | 0.500 |", "| half the rate | schedule.peak=0.5 | 50.0 | 0.500 |"]


def test_finished_runs_stay_and_interrupted_ones_go_on(compare, tmp_path):
    assert compare("double: schedule.peak=2")[0].returncode == 0
    again, calls = compare("double: schedule.peak=2")
    assert calls == [] and "| double | schedule.peak=2 | 200.0 |" in again.stdout
    log = tmp_path / "runs/double/log/log.jsonl"
    log.write_text(json.dumps({"step": 2, "validation/text/perplexity": 7.0}) + "\n")
    (tmp_path / "runs/double/checkpoints").mkdir()
    again, calls = compare("double: schedule.peak=2")
    assert calls == ["double resumed 2"] and "| 200.0 |" in again.stdout


def test_a_variant_without_settings_is_an_error(compare):
    done, calls = compare("double schedule.peak=2")
    assert done.returncode != 0 and not calls
    assert "expected 'name: table.key=value" in done.stderr
