"""The trainer against the model and objective of reference_model.py, for ten steps of a small configuration.

The trainer's dump program writes parameters, batches, losses, gradients and memory. Here every step's losses and
gradients are computed again from the dumped parameters, and every update of the parameters from the dumped gradients.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from reference_model import RHO, Model
from trainer_steps import (BUFFERS, HEADS, IDENTITY, IMAGE_OF_ROW, LEARNING_RATE, SLOTS_WRITTEN, VARIANT_NAMES, VARIANTS,
                           Differences, trainer_steps, values_of)


def training_step(model, tokens, targets, mask, features, images, identity):
    """Losses and the next memory, sequence by sequence."""
    embedding = model.embedding()
    vision = [model.see(f) for f in features]
    rows, segments, _ = tokens.shape
    loss_sum, count, attention_sum = 0.0, 0, 0.0
    texts, photos, copies, marks = [], [], [], []
    slots, usage = None, None
    for row in range(rows):
        v = vision[images[row]] if images[row] >= 0 else None
        if model.memory:
            slots, usage = model.p["memory.slots"], model.p["memory.usage"]
            mark = torch.zeros_like(usage)
        for segment in range(segments):
            length = int(mask[row, segment].sum())
            if length == 0:
                continue
            outcome = model.run(embedding[tokens[row, segment, :length]], v, slots, usage)
            if images[row] >= 0:
                texts.append(outcome.states.mean(0))
                photos.append(images[row])
            if model.memory:
                attention_sum = attention_sum + outcome.attention.detach().sum(0)
                slots, usage, strength = model.write(outcome.queries[-1], slots, usage)
                mark = torch.maximum(mark, strength)
            loss_sum = loss_sum + F.cross_entropy(outcome.logits, targets[row, segment, :length], reduction="sum")
            count += length
        if model.memory:
            copies.append(slots)
            marks.append(mark)
    result = {"language": loss_sum / count}
    text = F.normalize(torch.stack(texts), dim=1)
    image = F.normalize(torch.stack([vision[photo].mean(0) for photo in photos]), dim=1)
    identity = identity[photos]
    similarity = text @ image.t() / model.p["contrast.log_temperature"].exp()
    own = torch.arange(len(text))
    similarity = similarity.masked_fill((identity[:, None] == identity[None]) & (own[:, None] != own[None]), -math.inf)
    result["contrast"] = (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.t(), own)) / 2
    result["total"] = result["language"] + 1.5 * result["contrast"]
    if model.memory:
        store, usage = model.p["memory.slots"], model.p["memory.usage"]
        result["next.slots"] = torch.stack(copies).mean(0)
        result["memory"] = ((result["next.slots"] - store) ** 2).sum()
        result["total"] = result["total"] + 0.1 * result["memory"]
        decayed = RHO * usage + (1 - RHO) * (attention_sum / count * len(usage)).clamp_max(1)
        result["next.usage"] = torch.stack([torch.maximum(decayed, m) for m in marks]).mean(0)
    return result


class AdamW:
    """Decoupled weight decay. The embedding's rows have clocks of their own: a row that the batch does not name stands
    still, and catches up on the decay that it missed when it is named again."""

    def __init__(self):
        self.state = {}

    def update(self, name, value, gradient, tokens):
        zeros, no_steps = torch.zeros_like(value), torch.zeros(len(value))
        m, v, clock, missed = self.state.get(name, (zeros, zeros, no_steps, no_steps))
        touched = torch.ones(len(value), dtype=torch.bool)
        if name == "token_embedding.weight":
            touched = torch.isin(torch.arange(len(value)), tokens)
        shape = [-1] + [1] * (value.dim() - 1)
        rows = touched.reshape(shape)
        clock, missed = clock + touched, missed + 1
        m = torch.where(rows, 0.9 * m + 0.1 * gradient, m)
        v = torch.where(rows, 0.95 * v + 0.05 * gradient ** 2, v)
        rate = LEARNING_RATE * (0.1 if name.endswith(".scale") else 1.0)
        decay = 0.01 if value.dim() == 2 else 0.0
        t = clock.reshape(shape).clamp_min(1)
        step = m / (1 - 0.9 ** t) / (torch.sqrt(v / (1 - 0.95 ** t)) + 1e-8)
        kept = value * (1 - rate * decay) ** missed.reshape(shape)
        self.state[name] = (m, v, clock, torch.where(touched, 0, missed))
        return torch.where(rows, kept - rate * step, value)


@pytest.mark.parametrize("variant", VARIANTS, ids=VARIANT_NAMES)
def test_ten_steps(program, tmp_path, variant) -> None:
    steps = trainer_steps(program, tmp_path, variant)
    injection, query, memory = variant
    optimizer, differences = AdamW(), Differences()
    for number, step in enumerate(steps):
        values = values_of(step)
        for name, value in values.items():
            value.requires_grad_(name not in BUFFERS)
        model = Model(values, HEADS, injection, query, memory == "on", SLOTS_WRITTEN)
        result = training_step(model, step["tokens"], step["targets"], step["mask"], step["features"].double(),
                               IMAGE_OF_ROW, torch.tensor(IDENTITY))
        result["total"].backward()
        differences.add(step, result, {name: value.grad for name, value in values.items() if value.requires_grad})
        for name in values if number + 1 < len(steps) else ():
            if name in BUFFERS:
                continue
            expected = optimizer.update(name, step[f"value.{name}"], step[f"gradient.{name}"], step["tokens"])
            # An update has entries of about the learning rate; FP32 state rounds it by some 1e-6 relative.
            assert torch.allclose(steps[number + 1][f"value.{name}"], expected, rtol=1e-6,
                                  atol=1e-4 * LEARNING_RATE), f"{name}: the update of step {number} differs"
    differences.check()
