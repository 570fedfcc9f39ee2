"""An independent implementation of the model and objective of docs/model.md in plain PyTorch, compared with the trainer.

The trainer's dump program runs ten steps of a small configuration and writes parameters, batches, losses, gradients and
memory. Here every step's losses and gradients are computed again from the dumped parameters, and every update of the
parameters from the dumped gradients.

    python tests/parity/trainer_oracle.py build-train/tests/parity/trainer_dump

Tolerances. Both sides compute in FP32, in different orders of summation: relative errors of some 1e-6. Where such an
error moves x * s across a half, one 8-bit activation changes by 1/127 of its token's largest value; with about 1e5
activations a step a few do. One flip changes one token's vector by at most about 1/127 relative, and a gradient that
averages over the batch's 70 tokens by about 1e-3 at most. A wrong formula is off by far more.
"""

import math
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors import safe_open

HEADS, LAYERS, EPS = 4, 2, 1e-5
STEPS, LEARNING_RATE = 10, 2e-3
ALPHA, SLOTS_WRITTEN, RHO, FLOOR, KAPPA = 0.2, 5, 0.99, 1e-3, 1.0
LOSS_TOLERANCE, GRADIENT_TOLERANCE, MEAN_GRADIENT_TOLERANCE = 2e-4, 1e-2, 1e-3


def straight_through(x, value):
    return x + (value - x).detach()


def quantize_activations(x):
    s = 127 / x.abs().amax(-1, keepdim=True).clamp_min(1e-30)
    return straight_through(x, torch.clamp(torch.round(x * s), -127, 127) / s)


class LsqTernary(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, gamma):
        ctx.save_for_backward(w, gamma)
        return torch.clamp(torch.round(w / gamma), -1, 1) * gamma

    @staticmethod
    def backward(ctx, grad):
        w, gamma = ctx.saved_tensors
        v = w / gamma
        d_gamma = torch.where(v.abs() <= 1, torch.round(v) - v, torch.sign(v))
        return grad, (grad * d_gamma).sum().reshape(1) / math.sqrt(w.numel())


def int8_rows(w):
    s = (w.abs().amax(1, keepdim=True) / 127).half().float()
    return straight_through(w, torch.clamp(torch.round(w / s), -127, 127) * s)


class Model:
    def __init__(self, values, injection, query, memory):
        self.p = values
        self.injection, self.query, self.memory = injection, query, memory

    def linear(self, name, x):
        w = LsqTernary.apply(self.p[name + ".weight"], self.p[name + ".scale"])
        return quantize_activations(x) @ w.t()

    def norm(self, name, x):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(var + EPS) * self.p[name + ".weight"] + self.p[name + ".bias"]

    def rotate(self, x):  # [heads, T, w]
        half = x.shape[-1] // 2
        frequency = 10000.0 ** (-2 * torch.arange(half, dtype=torch.float64) / x.shape[-1])
        angle = torch.arange(x.shape[-2], dtype=torch.float64)[:, None] * frequency
        c, s = angle.cos().float(), angle.sin().float()
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * c - b * s, a * s + b * c], -1)

    def attention(self, name, queries, keys, causal):  # one sequence: [Tq, d], [Tk, d]
        def split(x):
            return x.view(x.shape[0], HEADS, -1).transpose(0, 1)

        q, k, v = (split(self.linear(f"{name}.{part}", x)) for part, x in
                   (("query", queries), ("key", keys), ("value", keys)))
        if causal:
            q, k = self.rotate(q), self.rotate(k)
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores[0], dtype=torch.bool).triu(1), -math.inf)
        joined = (torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(queries.shape)
        return self.linear(f"{name}.output", self.norm(f"{name}.output_norm", joined))

    def layer(self, name, h):
        x = self.norm(f"{name}.attention_norm", h)
        h = h + self.attention(f"{name}.attention", x, x, causal=True)
        up = F.gelu(self.linear(f"{name}.ffn.up", self.norm(f"{name}.ffn_norm", h)))
        return h + self.linear(f"{name}.ffn.down", self.norm(f"{name}.ffn.down_norm", up))

    def encode(self, embedded):
        for layer in range(LAYERS):
            embedded = self.layer(f"encoder.{layer}", embedded)
        return self.norm("encoder.norm", embedded)

    def see(self, features):  # [N, F] -> [N', d]
        side = math.isqrt(len(features))
        if side * side == len(features) and side % 2 == 0:
            grid = features.view(side, side, -1)
            features = torch.stack([grid[r:r + 2, c:c + 2].mean((0, 1))
                                    for r in range(0, side, 2) for c in range(0, side, 2)])
        hidden = torch.relu(self.linear("vision.compression.0", features))
        return self.norm("vision.norm", self.linear("vision.compression.1", hidden))

    def fuse(self, states, vision):
        keys = self.p["vision.null_token"][None]
        if vision is not None:
            keys = torch.cat([keys, vision])
        return self.norm("fusion.norm", states + self.attention("fusion.attention", states, keys, causal=False))

    def summarise(self, fused):  # [T, d] -> q_1..q_T
        if self.query == "mean":
            return torch.stack([fused[: t + 1].mean(0) for t in range(len(fused))])
        decay = torch.sigmoid(self.p["memory.query_decay"])
        queries = [fused[0]]
        for state in fused[1:]:
            queries.append(decay * queries[-1] + (1 - decay) * state)
        return torch.stack(queries)

    def read(self, queries, slots, usage):
        beta = F.softplus(self.p["memory.read_sharpness"])
        cosine = queries @ slots.t() / (queries.norm(dim=1)[:, None] * slots.norm(dim=1)[None]).clamp_min(1e-8)
        attention = torch.softmax(beta * cosine + torch.log(FLOOR + usage), -1)
        return attention @ slots, attention

    def write(self, summary, slots, usage):
        probabilities = torch.softmax(self.linear("memory.write", summary[None])[0] - KAPPA * usage, 0)
        keep = torch.zeros_like(probabilities)
        keep[probabilities.topk(SLOTS_WRITTEN).indices] = 1
        w = probabilities * keep / (probabilities * keep).sum()
        strength = w / w.max()
        return slots + ALPHA * w[:, None] * (summary - slots), torch.maximum(usage, strength), strength.detach()

    def decode(self, embedded, fused, retrieved):
        if self.injection == "concatenate":
            h = self.linear("decoder.input", torch.cat([embedded, fused] + ([retrieved] if self.memory else []), -1))
        else:
            h = embedded + self.linear("decoder.fusion", fused)
            if self.memory:
                h = h + self.linear("decoder.memory", retrieved)
        for layer in range(LAYERS):
            if self.memory:
                gate = torch.tanh(self.p[f"decoder.{layer}.memory_gate"])
                h = h + gate * self.linear(f"decoder.{layer}.memory", retrieved)
            h = self.layer(f"decoder.{layer}", h)
        return self.norm("decoder.norm", h)

    def step(self, tokens, targets, mask, features, images, identity):
        """Everything, sequence by sequence."""
        embedding = int8_rows(self.p["token_embedding.weight"])
        vision = [self.see(f) for f in features]
        rows, segments, _ = tokens.shape
        loss_sum, count, attention_sum = 0.0, 0, 0.0
        texts, copies, marks = [], [], []
        for row in range(rows):
            v = vision[images[row]] if images[row] >= 0 else None
            if self.memory:
                slots, usage = self.p["memory.slots"], self.p["memory.usage"]
                mark = torch.zeros_like(usage)
            for segment in range(segments):
                length = int(mask[row, segment].sum())
                if length == 0:
                    continue
                embedded = embedding[tokens[row, segment, :length]]
                states = self.encode(embedded)
                if segment == 0 and images[row] >= 0:
                    texts.append(states.mean(0))
                fused = self.fuse(states, v)
                retrieved = None
                if self.memory:
                    queries = self.summarise(fused)
                    retrieved, attention = self.read(queries, slots, usage)
                    attention_sum = attention_sum + attention.detach().sum(0)
                    slots, usage, strength = self.write(queries[-1], slots, usage)
                    mark = torch.maximum(mark, strength)
                logits = self.linear("output", self.decode(embedded, fused, retrieved))
                loss_sum = loss_sum + F.cross_entropy(logits, targets[row, segment, :length], reduction="sum")
                count += length
            if self.memory:
                copies.append(slots)
                marks.append(mark)
        result = {"language": loss_sum / count}
        text = F.normalize(torch.stack(texts), dim=1)
        image = F.normalize(torch.stack([x.mean(0) for x in vision]), dim=1)
        similarity = text @ image.t() / self.p["contrast.log_temperature"].exp()
        own = torch.arange(len(text))
        similarity = similarity.masked_fill((identity[:, None] == identity[None]) & (own[:, None] != own[None]), -math.inf)
        result["contrast"] = (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.t(), own)) / 2
        result["total"] = result["language"] + 1.5 * result["contrast"]
        if self.memory:
            store, usage = self.p["memory.slots"], self.p["memory.usage"]
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


def compare(program, variant):
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        subprocess.run([program, file.name, *variant], check=True)
        with safe_open(file.name, "pt") as dump:
            data = {key: dump.get_tensor(key) for key in dump.keys()}
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
        model = Model(values, injection, query, memory == "on")
        result = model.step(data[prefix + "tokens"], data[prefix + "targets"], data[prefix + "mask"],
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


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for variant in (("add", "mean", "on"), ("concatenate", "exponential", "on"), ("add", "mean", "off"),
                    ("concatenate", "mean", "off")):
        compare(sys.argv[1], variant)


if __name__ == "__main__":
    main()
