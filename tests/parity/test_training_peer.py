"""The plain PyTorch model that training is timed against (bench/peers) computes what the trainer computes: losses and
gradients of ten steps of a small configuration."""

import pytest
import torch
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
