"""The model of docs/model.md in plain PyTorch, one sequence at a time: the independent implementation that trainer
and runtime are compared with. Differentiable, in the precision of the values that it is given.

    model = Model(values, heads=4, injection="add", query="mean", memory=True)
    outcome = model.run(model.embedding()[tokens], model.see(features))     # tokens [T], features [N, F]
    outcome.logits                                                          # [T, V]
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

EPS = 1e-5
ALPHA, RHO, FLOOR, KAPPA = 0.2, 0.99, 1e-3, 1.0


def straight_through(x, value):
    return x + (value - x).detach()


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
    s = (w.abs().amax(1, keepdim=True) / 127).half().to(w.dtype)
    return straight_through(w, torch.clamp(torch.round(w / s), -127, 127) * s)


@dataclass
class Outcome:
    """Of one sequence of T tokens."""

    states: torch.Tensor     # Z [T, d]
    queries: torch.Tensor    # q_t [T, d]; None without memory, as the attention
    attention: torch.Tensor  # a_t [T, K]
    logits: torch.Tensor     # [T, V]


class Model:
    """`values` are named as the tensor table names them, every ternary `x.weight` with its `x.scale`."""

    def __init__(self, values, heads, injection="add", query="mean", memory=True, slots_written=8, rounding_noise=None):
        self.p, self.heads, self.slots_written = values, heads, slots_written
        self.injection, self.query, self.memory = injection, query, memory
        # Called with a shape, gives what is added to activations, in codes, before they are rounded.
        self.rounding_noise = rounding_noise

    def quantize_activations(self, x, largest=127):
        s = largest / x.abs().amax(-1, keepdim=True).clamp_min(1e-30)
        codes = x * s if self.rounding_noise is None else x * s + self.rounding_noise(x.shape)
        return straight_through(x, torch.clamp(torch.round(codes), -127, 127) / s)

    def quantize_heads(self, x):
        return self.quantize_activations(x, 127 * (1 - 2 ** -12))

    def linear(self, name, x):
        w = LsqTernary.apply(self.p[name + ".weight"], self.p[name + ".scale"])
        return self.quantize_activations(x) @ w.t()

    def norm(self, name, x):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(var + EPS) * self.p[name + ".weight"] + self.p[name + ".bias"]

    def rotate(self, x):  # [heads, T, w]
        half = x.shape[-1] // 2
        frequency = 10000.0 ** (-2 * torch.arange(half, dtype=torch.float64) / x.shape[-1])
        angle = torch.arange(x.shape[-2], dtype=torch.float64)[:, None] * frequency
        c, s = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * c - b * s, a * s + b * c], -1)

    def attention(self, name, queries, keys, causal):  # one sequence: [Tq, d], [Tk, d]
        def split(x):
            return x.view(x.shape[0], self.heads, -1).transpose(0, 1)

        q, k, v = (split(self.linear(f"{name}.{part}", x)) for part, x in
                   (("query", queries), ("key", keys), ("value", keys)))
        if causal:
            q, k = self.rotate(q), self.rotate(k)
        q, k, v = (self.quantize_heads(x) for x in (q, k, v))
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

    def layers(self, stack):
        return 1 + max(int(name.split(".")[1]) for name in self.p if name.startswith(f"{stack}.") and
                       name.split(".")[1].isdigit())

    def embedding(self):
        return int8_rows(self.p["token_embedding.weight"])

    def encode(self, embedded):
        for layer in range(self.layers("encoder")):
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
        rows = self.quantize_heads(slots)
        norms = (queries.norm(dim=1)[:, None] * slots.norm(dim=1)[None]).clamp_min(1e-8)
        cosine = self.quantize_heads(queries) @ rows.t() / norms
        attention = torch.softmax(beta * cosine + torch.log(FLOOR + usage), -1)
        return attention @ rows, attention

    def write(self, summary, slots, usage):
        probabilities = torch.softmax(self.linear("memory.write", summary[None])[0] - KAPPA * usage, 0)
        keep = torch.zeros_like(probabilities)
        keep[probabilities.topk(self.slots_written).indices] = 1
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
        for layer in range(self.layers("decoder")):
            if self.memory:
                gate = torch.tanh(self.p[f"decoder.{layer}.memory_gate"])
                h = h + gate * self.linear(f"decoder.{layer}.memory", retrieved)
            h = self.layer(f"decoder.{layer}", h)
        return self.norm("decoder.norm", h)

    def run(self, embedded, vision, slots=None, usage=None):
        """embedded [T, d], vision [N', d] or None; the memory as given, or the store."""
        states = self.encode(embedded)
        fused = self.fuse(states, vision)
        queries, attention, retrieved = None, None, None
        if self.memory:
            queries = self.summarise(fused)
            retrieved, attention = self.read(queries, self.p["memory.slots"] if slots is None else slots,
                                             self.p["memory.usage"] if usage is None else usage)
        logits = self.linear("output", self.decode(embedded, fused, retrieved))
        return Outcome(states, queries, attention, logits)
