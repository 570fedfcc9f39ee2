"""BitMar's objective and optimizer in plain PyTorch, and one optimizer step of them in BF16 autocast.

The model runs on the whole batch. The logits [tokens, 50257] of one exist some thousand tokens at a time: each chunk's
loss is differentiated at once, down to the head's input, whose gradient then goes back through the model.
"""

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_bitmar import Config, quantize
from torch_memory import BitMar, Output

MINIMUM_TEMPERATURE = 0.01
MINIMUM_SCALE_SHARE = 0.25


@dataclass
class Batch:
    tokens: Tensor            # [rows, segments, T]
    mask: Tensor              # bool, the same shape
    targets: Tensor           # [n]
    places: Tensor            # [n], of the targets in the flattened [rows * segments * T]
    features: Tensor | None   # [images, N, F]
    image_of_row: Tensor      # [rows]
    identity: Tensor          # [images]


@dataclass
class Weights:
    """Of the loss' terms, and the optimizer's settings: a configuration's [objective] and [optimizer]."""

    contrast: float = 1.5
    memory: float = 0.1
    learning_rate: float = 2e-3
    scale_learning_rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    clip_norm: float = 1.0


def contrastive_loss(texts: Tensor, images: Tensor, identity: Tensor, log_temperature: Tensor) -> Tensor:
    """Symmetric InfoNCE of texts and images [pairs, d]; pairs of one image are no negatives of each other."""
    logits = F.normalize(texts, dim=1) @ F.normalize(images, dim=1).t()
    logits = logits / log_temperature.clamp_min(math.log(MINIMUM_TEMPERATURE)).exp()
    own = torch.arange(len(texts))
    same = (identity[:, None] == identity) & (own[:, None] != own)
    logits = logits.masked_fill(same, -math.inf)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)) / 2


def other_losses(output: Output, batch: Batch, log_temperature: Tensor) -> dict[str, Tensor]:
    """All but the language loss, in FP32."""
    losses = {}
    precision = log_temperature.dtype
    if output.vision is not None:
        paired = (batch.image_of_row >= 0)[:, None] & batch.mask.any(2)  # [rows, segments]
        weights = batch.mask[paired].to(precision)[..., None]
        texts = (output.states[paired].to(precision) * weights).sum(1) / weights.sum(1)
        photos = batch.image_of_row[paired.nonzero()[:, 0]]
        images = output.vision.to(precision).mean(1)[photos]
        losses["contrast"] = contrastive_loss(texts, images, batch.identity[photos], log_temperature)
    if output.memory is not None:
        losses["memory"] = output.memory.consistency
    return losses


class Trainer:
    """The model with its optimizer. `autocast`: products in BF16; else in the precision of `values`.
    `float_logits`: the cross-entropy of BF16 logits is computed in FP32."""

    def __init__(self, config: Config, values: dict[str, Tensor], log_temperature: Tensor, weights: Weights,
                 autocast: bool = True, chunk_tokens: int = 512, float_logits: bool = True,
                 compiled: bool = False) -> None:
        self.model = BitMar(config, values)
        self.log_temperature = nn.Parameter(log_temperature.clone())
        self.weights, self.autocast, self.chunk_tokens = weights, autocast, chunk_tokens
        self.float_logits = autocast and float_logits
        self.memory_pass = None  # of the last batch
        self._forward = torch.compile(self.model) if compiled else self.model
        self._chunk_loss = torch.compile(self._plain_chunk_loss) if compiled else self._plain_chunk_loss
        named = dict(self.model.named_parameters())
        matrices = [p for p in named.values() if p.dim() == 2]
        scales = [p for name, p in named.items() if name.endswith(".scale")]
        others = [p for name, p in named.items() if p.dim() != 2 and not name.endswith(".scale")]
        rate, decay = weights.learning_rate, weights.weight_decay
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": decay},
             {"params": scales, "lr": rate * weights.scale_learning_rate, "weight_decay": 0.0},
             {"params": [*others, self.log_temperature], "weight_decay": 0.0}],
            lr=rate, betas=weights.betas, fused=True)

    def _precision(self) -> contextlib.AbstractContextManager:
        return torch.autocast("cpu", torch.bfloat16) if self.autocast else contextlib.nullcontext()

    def _plain_chunk_loss(self, inputs: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        with self._precision():
            logits = F.linear(inputs, head)
        return F.cross_entropy(logits.float() if self.float_logits else logits, targets, reduction="sum")

    def _language_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Of hidden [n, d]; leaves the gradients behind: hidden.grad, and the head's."""
        quantized, head = quantize(hidden), self.model.output.quantized()
        # Leaves of their own, so that the chunks' gradients add up before they go further back.
        inputs = [chunk.detach().requires_grad_() for chunk in quantized.split(self.chunk_tokens)]
        leaf = head.detach().requires_grad_()
        total = hidden.new_zeros(())
        for chunk, chunk_targets in zip(inputs, targets.split(self.chunk_tokens)):
            loss = self._chunk_loss(chunk, leaf, chunk_targets).to(hidden.dtype) / len(hidden)
            loss.backward()
            total += loss.detach()
        torch.autograd.backward([quantized, head], [torch.cat([chunk.grad for chunk in inputs]), leaf.grad])
        return total

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> dict[str, float]:
        """The losses in the precision of the parameters."""
        output = self.model(batch.tokens, batch.mask, batch.features, batch.image_of_row)
        losses = other_losses(output, batch, self.log_temperature)
        inputs, head = quantize(output.hidden.flatten(0, 2)[batch.places]), self.model.output.quantized()
        sums = [F.cross_entropy(F.linear(x, head), y, reduction="sum")
                for x, y in zip(inputs.split(self.chunk_tokens), batch.targets.split(self.chunk_tokens))]
        losses["language"] = sum(sums) / len(inputs)
        losses["total"] = losses["language"] + self._weighted(losses)
        return {name: float(value) for name, value in losses.items()}

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor | int:
        return sum(getattr(self.weights, name) * losses[name] for name in ("contrast", "memory") if name in losses)

    def gradients(self, batch: Batch) -> dict[str, float]:
        """Forward and backward; the losses."""
        with self._precision():
            output = self._forward(batch.tokens, batch.mask, batch.features, batch.image_of_row)
        losses = other_losses(output, batch, self.log_temperature)
        hidden = output.hidden.flatten(0, 2)
        hidden = hidden if len(batch.places) == len(hidden) else hidden[batch.places]
        leaf = hidden.detach().to(self.log_temperature.dtype).requires_grad_()
        losses["language"] = self._language_loss(leaf, batch.targets)
        rest = self._weighted(losses)
        tensors, gradients = [hidden], [leaf.grad.to(hidden.dtype)]
        if isinstance(rest, Tensor):
            tensors.append(rest)
            gradients.append(None)
        torch.autograd.backward(tensors, gradients)
        self.memory_pass = output.memory
        losses["total"] = losses["language"] + rest
        return {name: float(value.detach()) for name, value in losses.items()}

    def step(self, batch: Batch) -> dict[str, float]:
        """One optimizer step; the losses before it."""
        losses = self.gradients(batch)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, self.weights.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for module in self.model.modules():
                if hasattr(module, "scale"):
                    module.scale.clamp_min_(MINIMUM_SCALE_SHARE * module.weight.abs().mean())
        if self.memory_pass is not None:
            self.model.memory.commit(self.memory_pass)
        return losses
