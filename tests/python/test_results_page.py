"""From a training run to one page of results: `bitmar-train finetune` with and without memory, `bitmar reproduce`."""

import json
import subprocess

import numpy as np
import pytest
from programs import output_of
from tiny_training import TinyTraining

WORDS = ("ba", "do", "ki", "lu", "me", "no", "su")


@pytest.fixture(scope="module")
def work(program, tmp_path_factory):
    """A small trained model and two data sets of made sentences: RTE to fine-tune on, BLiMP to be asked."""
    training = TinyTraining(tmp_path_factory.mktemp("results"), program("bitmar-train"))
    training.run("trained", steps=12, checkpoint_every=12, diagnostics_every=6)
    folder = training.folder
    output_of([training.trainer, "export", "--checkpoint", folder / "trained", "--merges", training.merges, "-o",
               folder / "model.gguf"])
    generator = np.random.default_rng(3)
    sentences = iter([" ".join(generator.choice(WORDS, 6)) for _ in range(400)])
    glue = folder / "data/babylm/glue_filtered"
    blimp = folder / "data/babylm/blimp_fast"
    for each in (glue, blimp):
        each.mkdir(parents=True)
    for part, items in (("train", 48), ("valid", 20)):
        lines = [{"sentence1": next(sentences), "sentence2": next(sentences), "label": i % 2} for i in range(items)]
        (glue / f"rte.{part}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pairs = [{"sentence_good": next(sentences), "sentence_bad": next(sentences)} for _ in range(12)]
    (blimp / "made.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    for output, options in (("on", []), ("off", ["--no-memory"])):
        output_of([training.trainer, "finetune", "-q", "--task", "rte", "--checkpoint", folder / "trained", "--data",
                   folder / "data", "--merges", training.merges, "--epochs", "2", "-t", "1", "-o", folder / output,
                   *options])
    return folder


def reproduce(program, work, output, *options) -> subprocess.CompletedProcess:
    return subprocess.run([program("bitmar"), "reproduce", "-m", work / "model.gguf", "--data", work / "data",
                           "-o", work / output, *options], capture_output=True, text=True)


def test_everything_stands_on_one_page(program, work) -> None:
    done = reproduce(program, work, "page", "--fine-tuned", work / "off", work / "on", "--runs", work / "trained")
    assert done.returncode == 0, done.stderr
    results = json.loads((work / "page/results.json").read_text())
    page = (work / "page/results.md").read_text()

    fine_tuned = results["fine_tuned"]
    assert (fine_tuned["checkpoint"], fine_tuned["step"]) == (str(work / "trained"), 12)
    for kind, folder in (("tasks", "on"), ("memory_off", "off")):
        of_folder = json.loads((work / folder / "results.json").read_text())["tasks"]
        assert [task["total"] for task in fine_tuned[kind]] == [task["total"] for task in of_folder]
    right = {folder: [line["gold"] == line["pred"] for line in
                      map(json.loads, (work / folder / "rte/predictions.jsonl").read_text().splitlines())]
             for folder in ("on", "off")}
    effect = fine_tuned["memory_effects"][0]
    assert effect["difference"] == pytest.approx(np.mean(right["on"]) - np.mean(right["off"]))
    assert "| finetune-rte | off | accuracy |" in page

    assert "by the BabyLM pipeline's settings but for epochs 2." in page
    assert [task["task"] for task in results["tasks"]] == ["blimp_fast"]
    speeds = {row["what"]: row for row in results["speed"]}
    assert all(speeds["decode, 1 thread"][memory] > 0 for memory in ("memory_on", "memory_off"))
    assert {"loss", "slot-activation", "zeros"} <= {figure["file"].split("/")[-1].removesuffix(".svg")
                                                    for figure in results["figures"]}
    for figure in results["figures"]:
        assert (work / "page" / figure["file"]).read_text().startswith("<svg")
        assert f"![{figure['title']}]({figure['file']})" in page
    assert (work / "page/training.html").exists()


def test_what_does_not_fit_is_refused_before_anything_is_measured(program, work) -> None:
    for options, message in ((["--fine-tuned", work / "on", work / "on"], "expected one of each"),
                             (["--fine-tuned", work / "none"], "none/results.json"),
                             (["--image", "photo.jpg"], "--runs"),
                             (["--runs", work / "trained", work / "absent"], "absent"),
                             (["--runs", work / "trained", "--image", work / "absent.jpg"], "absent.jpg")):
        done = reproduce(program, work, "refused", *options)
        assert done.returncode != 0
        assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not (work / "refused").exists()
