"""A plain PyTorch decoder of BitMar's width and depth, made to be fast: fused projections, caches made once."""

import time
import warnings

import torch
from interleave import PROMPT_TOKENS, VOCABULARY, spread_tokens
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, FEED_FORWARD, CONTEXT_TOKENS = 128, 4, 512, 512
HEAD_WIDTH = WIDTH // HEADS


def rotation() -> Tensor:
    """Cosines and sines of all positions: [2, 1, CONTEXT_TOKENS, HEAD_WIDTH / 2]."""
    frequencies = 10000.0 ** (-torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)
    angles = torch.outer(torch.arange(CONTEXT_TOKENS), frequencies)
    return torch.stack([angles.cos(), angles.sin()]).unsqueeze(1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """x: [..., tokens, HEAD_WIDTH]; angles: [2, 1, tokens, HEAD_WIDTH / 2]."""
    cosine, sine = angles
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, FEED_FORWARD, bias=False)
        self.down = nn.Linear(FEED_FORWARD, WIDTH, bias=False)
        self.register_buffer("keys", torch.zeros(1, HEADS, CONTEXT_TOKENS, HEAD_WIDTH))
        self.register_buffer("values", torch.zeros(1, HEADS, CONTEXT_TOKENS, HEAD_WIDTH))

    def forward(self, x: Tensor, begin: int, angles: Tensor) -> Tensor:
        """x: [tokens, WIDTH], the first at position `begin`, several only where that is 0."""
        tokens = x.shape[0]
        qkv = self.qkv(self.attention_norm(x)).view(tokens, 3, HEADS, HEAD_WIDTH).permute(1, 2, 0, 3)
        q, k = rotate(qkv[:2], angles).unsqueeze(1)
        self.keys.narrow(2, begin, tokens).copy_(k)
        self.values.narrow(2, begin, tokens).copy_(qkv[2:])
        attended = F.scaled_dot_product_attention(q, self.keys.narrow(2, 0, begin + tokens),
                                                  self.values.narrow(2, 0, begin + tokens), is_causal=tokens > 1)
        x = x + self.out(attended[0].transpose(0, 1).reshape(tokens, WIDTH))
        return x + self.down(F.gelu(self.up(self.feed_forward_norm(x))))


class Decoder(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.register_buffer("angles", rotation())

    def last_state(self, ids: Tensor, begin: int) -> Tensor:
        """ids: [tokens], the first at position `begin`; the state [1, WIDTH] after the last."""
        x = self.embedding(ids)
        angles = self.angles.narrow(2, begin, ids.shape[0])
        for block in self.blocks:
            x = block(x, begin, angles)
        return self.norm(x[-1:])

    def compile_layers(self) -> None:
        """All but the head, whose int8 kernel cannot be traced."""
        self.last_state = torch.compile(self.last_state, dynamic=True)

    def forward(self, ids: Tensor, begin: int) -> Tensor:
        """The logits [VOCABULARY] after the last of `ids`."""
        return self.head(self.last_state(ids, begin))[0]


def quantized(model: Decoder, whole: bool) -> Decoder:
    """PyTorch's dynamic int8 for the head alone, or for every matrix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated for another package
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear} if whole else {"head"}, torch.qint8)


class TorchSession:
    """The model as a side of a comparison; the thread count is the process's."""

    def __init__(self, model: Decoder, threads: int) -> None:
        self.threads = threads
        self._model = model.eval()

    @torch.inference_mode()
    def time(self, command: str) -> float:
        """Seconds of "prefill N", or of "decode N" after a prompt as long as BitMar's."""
        torch.set_num_threads(self.threads)
        kind, count_text = command.split()
        count = int(count_text)
        if kind == "prefill":
            ids = torch.tensor(spread_tokens(count))
            start = time.perf_counter()
            self._model(ids, 0)
            return time.perf_counter() - start
        logits = self._model(torch.tensor(spread_tokens(PROMPT_TOKENS)), 0)
        start = time.perf_counter()
        for position in range(PROMPT_TOKENS, PROMPT_TOKENS + count):
            # NumPy's argmax takes a tenth of PyTorch's time.
            ids = torch.tensor([int(logits.numpy().argmax())])
            logits = self._model(ids, position)
        return time.perf_counter() - start
