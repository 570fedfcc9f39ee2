"""The plain PyTorch model that training is timed against (bench/peers) computes what the trainer computes: losses and
gradients of ten steps of a small configuration. The comparison itself and `bitmar-train bench` run."""

import json
import sys

import pytest
import torch
from programs import output_of
from tiny_training import PATCHES, ROOT, TinyTraining
from torch_bitmar import Config
from torch_objective import Batch, Trainer, Weights
from trainer_steps import (HEADS, IDENTITY, IMAGE_OF_ROW, SLOTS_WRITTEN, VARIANT_NAMES, VARIANTS, Differences,
                           trainer_steps, values_of)

TEMPERATURE = "contrast.log_temperature"


@pytest.mark.parametrize("variant", VARIANTS, ids=VARIANT_NAMES)
def test_ten_steps(program, tmp_path, variant) -> None:
    injection, query, memory = variant
    config = Config(heads=HEADS, memory=memory == "on", memory_write_slots=SLOTS_WRITTEN, query=query,
                    injection=injection)
    differences = Differences()
    for step in trainer_steps(program, tmp_path, variant):
        values = values_of(step)
        temperature = values.pop(TEMPERATURE)
        mask = step["mask"].bool()
        places = mask.flatten().nonzero().squeeze(1)
        batch = Batch(step["tokens"], mask, step["targets"].flatten()[places], places, step["features"].double(),
                      torch.tensor(IMAGE_OF_ROW), torch.tensor(IDENTITY))
        trainer = Trainer(config, values, temperature, Weights(), autocast=False, chunk_tokens=17)
        evaluated = trainer.evaluate(batch)
        losses = trainer.gradients(batch)
        assert evaluated == pytest.approx(losses, rel=1e-12)
        results = {name: torch.tensor(loss, dtype=torch.float64) for name, loss in losses.items()}
        if config.memory:
            results |= {"next.slots": trainer.memory_pass.next_slots, "next.usage": trainer.memory_pass.next_usage}
        parameters = dict(trainer.model.named_parameters()) | {TEMPERATURE: trainer.log_temperature}
        differences.add(step, results, {name: parameter.grad for name, parameter in parameters.items()})
    differences.check()


@pytest.fixture(scope="module")
def tiny(program, tmp_path_factory) -> TinyTraining:
    return TinyTraining(tmp_path_factory.mktemp("training"), program("bitmar-train"))


def test_takes_turns_with_the_trainer(program, tmp_path, tiny) -> None:
    config, result = tiny.command("turns")[-1], tmp_path / "result.json"
    heads = ["--set", "model.heads=4"]
    output_of([sys.executable, ROOT / "bench" / "peers" / "pytorch_training.py", "--config", config, "--trainer",
               program("bitmar-train"), "--rows", "5", "--length", "11", "--patches", str(PATCHES), "--threads", "1",
               "--rounds", "2", "--variants", "plain", "--tolerance", "0.01", "--json", result, *heads])
    document = json.loads(result.read_text())
    row, details = document["rows"][0], document["details"][0]
    assert row["command"] == "train 55" and len(row["our_seconds"]) == len(row["peer_seconds"]) == 2
    assert min(row["our_seconds"] + row["peer_seconds"]) > 0
    assert details["peer_losses_in_steps"] == pytest.approx(details["losses"], rel=0.1)
    assert min(details["peak_resident_bytes"], details["peer_peak_resident_bytes"]) > 50e6


def test_bench_times_prepared_data(program, tiny) -> None:
    config = tiny.command("bench")[-1]
    report = json.loads(output_of([program("bitmar-train"), "bench", "--config", config, "--steps", "3", "--json"]))
    assert report["steps"] == 3 and report["tokens"] > 0
    assert report["tokens_per_second"] == pytest.approx(report["tokens"] / report["seconds"])
    assert 0.5 * report["seconds"] < sum(report["phases"].values()) <= report["seconds"]
    assert not (tiny.folder / "bench").exists()
