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
    """The angles of all positions as complex numbers [CONTEXT_TOKENS, 1, HEAD_WIDTH / 2]."""
    frequencies = 10000.0 ** (-torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)
    angles = torch.outer(torch.arange(CONTEXT_TOKENS), frequencies)
    return torch.polar(torch.ones_like(angles), angles).unsqueeze(1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """x: [tokens, heads, HEAD_WIDTH]."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * angles).flatten(-2)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, FEED_FORWARD, bias=False)
        self.down = nn.Linear(FEED_FORWARD, WIDTH, bias=False)
        self.register_buffer("keys", torch.zeros(HEADS, CONTEXT_TOKENS, HEAD_WIDTH))
        self.register_buffer("values", torch.zeros(HEADS, CONTEXT_TOKENS, HEAD_WIDTH))

    def forward(self, x: Tensor, begin: int, angles: Tensor) -> Tensor:
        """x: [tokens, WIDTH], the first at position `begin`, several only where that is 0."""
        end = begin + x.shape[0]
        q, k, v = self.qkv(self.attention_norm(x)).view(-1, 3, HEADS, HEAD_WIDTH).unbind(1)
        self.keys[:, begin:end] = rotate(k, angles).transpose(0, 1)
        self.values[:, begin:end] = v.transpose(0, 1)
        attended = F.scaled_dot_product_attention(rotate(q, angles).transpose(0, 1), self.keys[:, :end],
                                                  self.values[:, :end], is_causal=begin == 0)
        x = x + self.out(attended.transpose(0, 1).flatten(1))
        return x + self.down(F.gelu(self.up(self.feed_forward_norm(x))))


class Decoder(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.register_buffer("angles", rotation())

    def forward(self, ids: Tensor, begin: int) -> Tensor:
        """The id after the last of `ids` [tokens], greedily: [1]."""
        x = self.embedding(ids)
        angles = self.angles[begin:begin + ids.shape[0]]
        for block in self.blocks:
            x = block(x, begin, angles)
        return self.head(self.norm(x[-1:])).argmax(-1)


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
        next_id = self._model(torch.tensor(spread_tokens(PROMPT_TOKENS)), 0)
        start = time.perf_counter()
        for position in range(PROMPT_TOKENS, PROMPT_TOKENS + count):
            next_id = self._model(next_id, position)
        return time.perf_counter() - start
