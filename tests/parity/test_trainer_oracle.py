"""The trainer against the model and objective of reference_model.py, for ten steps of a small configuration.

The trainer's dump program writes parameters, batches, losses, gradients and memory. Here every step's losses and
gradients are computed again from the dumped parameters, and every update of the parameters from the dumped gradients.

Tolerances. Both sides compute in FP32, in different orders of summation: relative errors of some 1e-6. Where such an
error moves x * s across a half, one 8-bit activation changes by 1/127 of its token's largest value; with about 1e5
activations a step a few do. One flip changes one token's vector by at most about 1/127 relative, and a gradient that
averages over the batch's 70 tokens by about 1e-3 at most. A wrong formula is off by far more.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from programs import output_of
from reference_model import RHO, Model
from safetensors.torch import load_file

HEADS, SLOTS_WRITTEN = 4, 5
STEPS, LEARNING_RATE = 10, 2e-3
LOSS_TOLERANCE, GRADIENT_TOLERANCE, MEAN_GRADIENT_TOLERANCE = 2e-4, 1e-2, 1e-3
VARIANTS = [("add", "mean", "on"), ("concatenate", "exponential", "on"), ("add", "mean", "off"),
            ("concatenate", "mean", "off")]


def training_step(model, tokens, targets, mask, features, images, identity):
    """Losses and the next memory, sequence by sequence."""
    embedding = model.embedding()
    vision = [model.see(f) for f in features]
    rows, segments, _ = tokens.shape
    loss_sum, count, attention_sum = 0.0, 0, 0.0
    texts, copies, marks = [], [], []
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
            if segment == 0 and images[row] >= 0:
                texts.append(outcome.states.mean(0))
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
    image = F.normalize(torch.stack([x.mean(0) for x in vision]), dim=1)
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
    """Decoupled weight decay, per-row clocks for the embedding: rows without a gradient stand still."""

    def __init__(self):
        self.state = {}

    def update(self, name, value, gradient):
        m, v, t = self.state.get(name, (torch.zeros_like(value), torch.zeros_like(value), torch.zeros(len(value))))
        touched = gradient.reshape(len(value), -1).abs().sum(1) > 0 if name == "token_embedding.weight" \
            else torch.ones(len(value), dtype=torch.bool)
        shape = [-1] + [1] * (value.dim() - 1)
        rows = touched.reshape(shape)
        t = t + touched
        m = torch.where(rows, 0.9 * m + 0.1 * gradient, m)
        v = torch.where(rows, 0.95 * v + 0.05 * gradient ** 2, v)
        self.state[name] = (m, v, t)
        rate = LEARNING_RATE * (0.1 if name.endswith(".scale") else 1.0)
        decay = 0.01 if value.dim() == 2 else 0.0
        clock = t.reshape(shape).clamp_min(1)
        step = m / (1 - 0.9 ** clock) / (torch.sqrt(v / (1 - 0.95 ** clock)) + 1e-8)
        return torch.where(rows, value - rate * (step + decay * value), value), touched


def relative(a, b):
    scale = b.norm().item()
    return (a - b).norm().item() / scale if scale > 1e-7 else (a - b).norm().item()


@pytest.mark.parametrize("variant", VARIANTS, ids=["-".join(variant) for variant in VARIANTS])
def test_ten_steps(program, tmp_path, variant) -> None:
    torch.manual_seed(0)
    file = tmp_path / "dump.safetensors"
    output_of([program("tests/parity/trainer_dump"), file, *variant])
    data = load_file(file)
    injection, query, memory = variant
    images, identity = [0, 1, 2, -1], torch.tensor([4, 9, 4])
    optimizer, worst_loss, worst, errors = AdamW(), 0.0, (0.0, ""), []
    for step in range(STEPS):
        prefix = f"{step}."
        values = {}
        for key, tensor in data.items():
            if key.startswith(prefix + "value."):
                name = key[len(prefix + "value."):]
                values[name] = tensor.clone().requires_grad_(name not in ("memory.slots", "memory.usage"))
        model = Model(values, HEADS, injection, query, memory == "on", SLOTS_WRITTEN)
        result = training_step(model, data[prefix + "tokens"], data[prefix + "targets"], data[prefix + "mask"],
                               data[prefix + "features"], images, identity)
        result["total"].backward()
        for term in ("language", "contrast", "total") + (("memory",) if model.memory else ()):
            expected = result[term].item()
            error = abs(data[prefix + "loss." + term].item() - expected) / max(abs(expected), 1e-3)
            worst_loss = max(worst_loss, error)
            assert error < LOSS_TOLERANCE, f"{variant} step {step}: loss {term}: {error}"
        if model.memory:
            for term in ("next.slots", "next.usage"):
                error = relative(data[prefix + term], result[term].detach())
                assert error < GRADIENT_TOLERANCE, f"{variant} step {step}: {term}: {error}"
        for name, value in values.items():
            if not value.requires_grad:
                continue
            gradient = value.grad if value.grad is not None else torch.zeros_like(value)
            dumped = data[prefix + "gradient." + name]
            error = relative(dumped, gradient)
            errors.append(error)
            worst = max(worst, (error, f"step {step} {name}"))
            if step + 1 < STEPS:
                expected, touched = optimizer.update(name, value.detach(), dumped)
                actual = data[f"{step + 1}.value.{name}"]
                # An update has entries of about the learning rate; FP32 state rounds it by some 1e-6 relative.
                assert torch.allclose(actual, expected, rtol=1e-6, atol=1e-4 * LEARNING_RATE), f"{name}: the update differs"
    mean = sum(errors) / len(errors)
    print(f"{'/'.join(variant)}: {len(errors)} gradients, mean relative error {mean:.1e}, worst {worst[0]:.1e} "
          f"({worst[1]}); losses within {worst_loss:.1e}")
    assert worst[0] < GRADIENT_TOLERANCE, worst
    assert mean < MEAN_GRADIENT_TOLERANCE, mean
