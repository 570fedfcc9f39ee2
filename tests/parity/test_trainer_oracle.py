"""The trainer against the model and objective of reference_model.py, for ten steps of a small configuration.

The trainer's dump program writes parameters, batches, losses, gradients and memory. Here every step's losses and
gradients are computed again from the dumped parameters, and every update of the parameters from the dumped gradients.

Tolerances. The trainer computes in FP32, the model here in double precision: losses and gradients differ by some 1e-7 to
1e-6. Where such an error moves x * s across a half, or the input of
the ReLU across zero, a code or a patch's feature flips and that step's gradients of what depends on it differ by far more.
With about 1e5 activations a step, a few steps of ten have such a flip and the others none, while a wrong formula is wrong in
every step: each quantity must agree closely in the best FLIP_FREE_STEPS of the ten, and its losses roughly in all.
"""

import math
from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F
from programs import output_of
from reference_model import RHO, Model
from safetensors.torch import load_file

HEADS, SLOTS_WRITTEN = 4, 5
STEPS, LEARNING_RATE = 10, 2e-3
FLIP_FREE_STEPS = 3
LOSS_TOLERANCE, GRADIENT_TOLERANCE, LOSS_TOLERANCE_WITH_FLIPS = 1e-6, 1e-5, 1e-2
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
    optimizer, losses, gradients = AdamW(), defaultdict(list), defaultdict(list)
    for step in range(STEPS):
        dumped = {key.removeprefix(f"{step}."): tensor for key, tensor in data.items() if key.startswith(f"{step}.")}
        values = {key.removeprefix("value."): tensor.double() for key, tensor in dumped.items() if key.startswith("value.")}
        for name, value in values.items():
            value.requires_grad_(name not in ("memory.slots", "memory.usage"))
        model = Model(values, HEADS, injection, query, memory == "on", SLOTS_WRITTEN)
        result = training_step(model, dumped["tokens"], dumped["targets"], dumped["mask"], dumped["features"].double(),
                               images, identity)
        result["total"].backward()
        for term in ("language", "contrast", "total") + (("memory",) if model.memory else ()):
            losses[term].append(relative(dumped[f"loss.{term}"].double(), result[term].detach()))
        if model.memory:
            for term in ("next.slots", "next.usage"):
                losses[term].append(relative(dumped[term].double(), result[term].detach()))
        for name, value in values.items():
            if not value.requires_grad:
                continue
            gradient = dumped[f"gradient.{name}"]
            gradients[name].append(relative(gradient.double(),
                                            torch.zeros_like(value) if value.grad is None else value.grad))
            if step + 1 < STEPS:
                expected = optimizer.update(name, dumped[f"value.{name}"], gradient, dumped["tokens"])
                # An update has entries of about the learning rate; FP32 state rounds it by some 1e-6 relative.
                assert torch.allclose(data[f"{step + 1}.value.{name}"], expected, rtol=1e-6,
                                      atol=1e-4 * LEARNING_RATE), f"{name}: the update of step {step} differs"

    def without_flips(errors):
        return {name: sorted(each)[FLIP_FREE_STEPS - 1] for name, each in errors.items()}

    worst = max((error, name) for name, error in without_flips(gradients).items())
    print(f"{len(gradients)} gradients: in the best {FLIP_FREE_STEPS} of {STEPS} steps within {worst[0]:.1e} ({worst[1]}); "
          f"losses within {max(without_flips(losses).values()):.1e}, in all steps {max(map(max, losses.values())):.1e}")
    assert worst[0] <= GRADIENT_TOLERANCE, worst
    assert max(without_flips(losses).values()) <= LOSS_TOLERANCE, losses
    assert max(map(max, losses.values())) <= LOSS_TOLERANCE_WITH_FLIPS, losses
