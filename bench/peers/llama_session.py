"""A llama.cpp context through its C API, the way its own programs drive it: no high-level wrapper."""

import ctypes
import time
from pathlib import Path

import llama_cpp
import numpy as np
from interleave import PROMPT_TOKENS, spread_tokens

CONTEXT_TOKENS = 512


@llama_cpp.llama_log_callback
def _ignore(level, text, user_data) -> None:
    """llama.cpp's log."""


class LlamaSession:
    """One sequence. Only the last token's logits are computed; the next token is the first of the largest."""

    def __init__(self, path: Path, threads: int, flash_attention: bool) -> None:
        llama_cpp.llama_log_set(_ignore, None)
        llama_cpp.llama_backend_init()
        self.threads = threads
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self._model:
            raise ValueError(f"{path}: llama.cpp does not load it")
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = CONTEXT_TOKENS
        options.n_outputs_max = 1
        options.n_threads = options.n_threads_batch = threads
        options.flash_attn_type = (llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash_attention
                                   else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED)
        options.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, options)
        if not self._context:
            raise ValueError(f"{path}: llama.cpp makes no context for it")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._ids = (ctypes.c_int32 * CONTEXT_TOKENS)()

    def _read(self, count: int) -> None:
        """The first `count` of self._ids."""
        status = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(self._ids, count))
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")

    def _argmax(self) -> int:
        # NumPy's argmax is vectorised; llama.cpp's greedy sampler first copies the logits to records of 12 bytes.
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        return int(np.ctypeslib.as_array(logits, (self._vocabulary,)).argmax())

    def _begin(self, count: int) -> None:
        """An empty context, and `count` ids in self._ids."""
        llama_cpp.llama_memory_clear(self._memory, False)
        self._ids[:count] = spread_tokens(count)

    def time(self, command: str) -> float:
        """Seconds of "prefill N", or of "decode N" after a prompt as long as BitMar's."""
        kind, count_text = command.split()
        count = int(count_text)
        if kind == "prefill":
            self._begin(count)
            start = time.perf_counter()
            self._read(count)
            llama_cpp.llama_synchronize(self._context)
            return time.perf_counter() - start
        self._begin(PROMPT_TOKENS)
        self._read(PROMPT_TOKENS)
        llama_cpp.llama_synchronize(self._context)
        start = time.perf_counter()
        for _ in range(count):
            self._ids[0] = self._argmax()
            self._read(1)
        llama_cpp.llama_synchronize(self._context)
        return time.perf_counter() - start

    def close(self) -> None:
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)
