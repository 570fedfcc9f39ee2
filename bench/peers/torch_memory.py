"""BitMar's episodic memory, its decoder and the whole model, batched in plain PyTorch. The parts: torch_bitmar.py."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_bitmar import (HEAD_RANGE, BitLinear, Config, Fusion, QuantizedRows, Stack, Values, Vision, quantize,
                          rotation)


@dataclass
class Pass:
    """What a batch read and wrote."""

    retrieved: Tensor    # r [rows, segments, T, d]
    next_slots: Tensor   # [K, d], differentiable
    consistency: Tensor  # ||M' - M||^2
    next_usage: Tensor   # [K]


class Memory(nn.Module):
    def __init__(self, values: Values, config: Config) -> None:
        super().__init__()
        self.config = config
        self.write = BitLinear(values, "memory.write")
        self.read_sharpness = values.parameter("memory.read_sharpness")
        if config.query == "exponential":
            self.query_decay = values.parameter("memory.query_decay")
        self.register_buffer("slots", values.tensor("memory.slots"))
        self.register_buffer("usage", values.tensor("memory.usage"))

    def queries(self, fused: Tensor) -> Tensor:
        """fused [rows, segments, T, d] -> q_1..q_T of every segment."""
        length = fused.shape[2]
        position = torch.arange(length, dtype=fused.dtype)
        if self.config.query == "mean":
            return fused.cumsum(2) / (position + 1)[:, None]
        decay = self.query_decay.sigmoid()
        share = torch.where(position == 0, 1.0, 1 - decay)
        return (decay ** (position[:, None] - position).clamp_min(0)).tril() * share @ fused

    def read(self, queries: Tensor, slots: Tensor, usage: Tensor) -> tuple[Tensor, Tensor]:
        """queries [rows, T, d], slots [1 or rows, K, d], usage [1 or rows, K] -> r, a [rows, T, K]."""
        rows = quantize(slots, HEAD_RANGE)
        norms = queries.norm(dim=-1, keepdim=True) * slots.norm(dim=-1)[:, None]
        cosine = quantize(queries, HEAD_RANGE) @ rows.transpose(1, 2) / norms.clamp_min(1e-8)
        floor = (usage + self.config.memory_usage_floor).log()[:, None]
        attention = (F.softplus(self.read_sharpness) * cosine + floor).softmax(-1)
        return attention @ rows, attention

    def forward(self, queries: Tensor, mask: Tensor) -> Pass:
        config, (rows, segments, _, width), slot_count = self.config, queries.shape, len(self.slots)
        slots, usage, mean_slots = self.slots[None], self.usage[None], self.slots
        written = queries.new_zeros(rows, slot_count)
        attention_sum = queries.new_zeros(slot_count)
        retrieved = []
        for segment in range(segments):
            query, real = queries[:, segment], mask[:, segment]
            found, attention = self.read(query, slots, usage)
            retrieved.append(found)
            attention_sum += torch.einsum("rt,rtk->k", real.to(attention.dtype), attention.detach())
            lengths = real.sum(1)
            summary = query[torch.arange(rows), (lengths - 1).clamp_min(0)]
            top, chosen = (self.write(summary) - config.memory_usage_penalty * usage).topk(config.memory_write_slots)
            weights = top.softmax(1)
            wrote = (lengths > 0).to(weights.dtype)[:, None]
            index = chosen[..., None].expand(-1, -1, width)
            old = slots.expand(rows, -1, -1).gather(1, index)
            change = (config.memory_write_rate * weights * wrote)[..., None] * (summary[:, None] - old)
            mean_slots = mean_slots.index_add(0, chosen.flatten(), change.flatten(0, 1) / rows)
            strength = wrote * weights / weights.amax(1, keepdim=True)
            with torch.no_grad():
                written = torch.maximum(written, torch.zeros_like(written).scatter(1, chosen, strength))
            if segment + 1 < segments:
                slots = slots.expand(rows, -1, -1).scatter_add(1, index, change)
                usage = usage.expand(rows, -1)
                usage = usage.scatter(1, chosen, torch.maximum(usage.gather(1, chosen), strength))
        with torch.no_grad():
            keep, mean_attention = config.memory_usage_decay, attention_sum / mask.sum().clamp_min(1)
            decayed = keep * self.usage + (1 - keep) * (mean_attention * slot_count).clamp_max(1)
            next_usage = torch.maximum(decayed, written).mean(0)
        return Pass(torch.stack(retrieved, 1), mean_slots, (mean_slots - self.slots).square().sum(), next_usage)

    @torch.no_grad()
    def commit(self, step: Pass) -> None:
        self.slots.copy_(step.next_slots)
        self.usage.copy_(step.next_usage)


class Decoder(Stack):
    def __init__(self, values: Values, config: Config) -> None:
        super().__init__(values, "decoder", config, config.memory)
        self.injection = config.injection
        if config.injection == "concatenate":
            self["input"] = BitLinear(values, "decoder.input")
        else:
            self["fusion"] = BitLinear(values, "decoder.fusion")
            if config.memory:
                self["memory"] = BitLinear(values, "decoder.memory")

    def decode(self, embedded: Tensor, fused: Tensor, retrieved: Tensor | None, angles: Tensor) -> Tensor:
        parts = [embedded, fused] + ([] if retrieved is None else [retrieved])
        if self.injection == "concatenate":
            return self.run(self["input"](torch.cat(parts, -1)), angles, retrieved)
        h = embedded + self["fusion"](fused)
        if retrieved is not None:
            h = h + self["memory"](retrieved)
        return self.run(h, angles, retrieved)


@dataclass
class Output:
    hidden: Tensor         # [rows, segments, T, d]
    states: Tensor         # Z, the same shape
    vision: Tensor | None  # [images, N', d]
    memory: Pass | None


class BitMar(nn.Module):
    def __init__(self, config: Config, values: dict[str, Tensor]) -> None:
        super().__init__()
        self.config, given = config, Values(values)
        self.token_embedding = nn.Embedding.from_pretrained(given.tensor("token_embedding.weight"), freeze=False)
        self.encoder = Stack(given, "encoder", config, reads=False)
        self.vision, self.fusion = Vision(given, config), Fusion(given, config)
        self.memory = Memory(given, config) if config.memory else None
        self.decoder = Decoder(given, config)
        self.output = BitLinear(given, "output")
        missing = set(values) ^ {name for name, _ in (*self.named_parameters(), *self.named_buffers())}
        if missing:
            raise ValueError(f"tensors that model and checkpoint do not share: {', '.join(sorted(missing))}")

    def forward(self, tokens: Tensor, mask: Tensor, features: Tensor | None, image_of_row: Tensor) -> Output:
        """tokens, mask [rows, segments, T]; features [images, N, F]; image_of_row [rows], -1 for text alone."""
        rows, segments, length = tokens.shape
        embedded = QuantizedRows.apply(self.token_embedding(tokens)).flatten(0, 1)
        width = embedded.shape[-1]
        angles = rotation(length, width // self.config.heads, self.config.rope_base, embedded)
        states = self.encoder.run(embedded, angles)
        vision = None if features is None else self.vision(features)
        fused = self.fusion(states.view(rows, segments * length, width), self.vision.null_token, vision, image_of_row)
        fused = fused.view(rows, segments, length, width)
        memory, retrieved = None, None
        if self.memory is not None:
            # Long sums: not in BF16.
            with torch.autocast("cpu", enabled=False):
                memory = self.memory(self.memory.queries(fused.to(embedded.dtype)), mask)
            retrieved = memory.retrieved.flatten(0, 1)
        hidden = self.decoder.decode(embedded, fused.flatten(0, 1), retrieved, angles)
        return Output(hidden.view(rows, segments, length, width), states.view(rows, segments, length, width), vision,
                      memory)
