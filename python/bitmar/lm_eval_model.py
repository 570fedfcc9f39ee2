"""BitMar as a model of EleutherAI's lm-evaluation-harness (pip install lm-eval).

    python -m bitmar.lm_eval_model run --model bitmar --model_args model=bitmar-14m.gguf --tasks arc_easy

is the harness's own command line, which finds the model "bitmar" because this module has registered it. Prompts, tokens'
places and metrics are the harness's; the model gives log-probabilities of tokens and greedy or sampled text.

A context is cut into tokens and joined with its continuation as the harness does it for its own models (`_encode_pair`),
and, as there, <|endoftext|> stands before a context only where that is empty, unless `add_bos_token=True`. Contexts are
never cut: attention sinks and a sliding window read a text of any length, so that rolling log-likelihoods need no windows.
"""

import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs
from tqdm import tqdm

from bitmar import Engine, MemoryMode, Session

Input = TypeVar("Input")
Output = TypeVar("Output")

DEFAULT_TOKENS = 256  # that are generated at most, as the harness's own models do


@register_model("bitmar")
class BitmarLM(TemplateLM):
    """`model`: a model file. `threads`: how many requests run at once; results do not depend on it.

    `memory=False`: without the episodic memory. The memory is read-only, so that no request changes another's result.
    """

    def __init__(self, model: str, threads: int = 1, memory: bool = True, add_bos_token: bool = False,
                 isa: str | None = None, batch_size: int | str | None = None, max_batch_size: int | None = None,
                 device: str | None = None, **_: Any):
        super().__init__()
        self.engine = Engine(model, isa=isa)
        mode = MemoryMode.READ_ONLY if memory else MemoryMode.OFF
        self.threads = int(threads)
        self.start = [self.engine.end_of_text] if add_bos_token else []
        self._sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for _ in range(self.threads):
            self._sessions.put(Session(self.engine, memory=mode))

    @property
    def eot_token_id(self) -> int:
        return self.engine.end_of_text

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        return self.engine.tokenize(string)

    def _each(self, inputs: Iterable[Input], work: Callable[[Session, Input], Output], what: str, quiet: bool
              ) -> list[Output]:
        """work(session, input) of every input, in order; each in an empty context."""
        def run(value: Input) -> Output:
            session = self._sessions.get()
            try:
                session.reset()
                return work(session, value)
            finally:
                self._sessions.put(session)

        inputs = list(inputs)
        with ThreadPoolExecutor(self.threads) as pool:
            return list(tqdm(pool.map(run, inputs), total=len(inputs), desc=what, disable=quiet))

    def _loglikelihood_tokens(self, requests: list[tuple[tuple[str, str], list[int], list[int]]],
                              disable_tqdm: bool = False, **kwargs: Any) -> list[tuple[float, bool]]:
        def score(session: Session, request: tuple[tuple[str, str], list[int], list[int]]) -> tuple[float, bool]:
            texts, context, continuation = request
            context = self.start + context or [self.prefix_token_id]
            if not continuation:
                raise ValueError(f"the continuation {texts[1]!r} has no token of its own")
            scores = session.score(context + continuation, len(context))
            return sum(token.log_probability for token in scores), all(token.most_likely for token in scores)

        found = self._each(requests, score, "Log-likelihoods", disable_tqdm)
        for request, answer in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood", request[0], answer)
        return found

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Of whole texts after <|endoftext|>, each read as one stream."""
        def score(session: Session, text: str) -> float:
            scores = session.score([self.prefix_token_id, *self.tok_encode(text)], 1)
            return sum(token.log_probability for token in scores)

        found = self._each((request.args[0] for request in requests), score, "Rolling log-likelihoods", disable_tqdm)
        for request, answer in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, answer)
        return found

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Text up to the first stop sequence, which is left out."""
        def generate(session: Session, arguments: tuple[str, dict]) -> str:
            context, given = arguments
            options = normalize_gen_kwargs(given, DEFAULT_TOKENS)
            stops = [stop for stop in handle_stop_sequences(options["until"], eos=None) if stop]
            session.prefill(self.start + self.tok_encode(context) or [self.prefix_token_id])
            text = ""

            def hear(piece: str) -> bool:
                nonlocal text
                text += piece
                return not any(stop in text for stop in stops)

            sampling = {name: options[name] for name in ("top_k", "top_p", "min_p", "seed") if name in options}
            session.generate(maximum_tokens=options["max_gen_toks"], temperature=options.get("temperature", 0.0), on_text=hear,
                             **sampling)
            return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]

        found = self._each((request.args for request in requests), generate, "Texts", disable_tqdm)
        for request, answer in zip(requests, found, strict=True):
            self.cache_hook.add_partial("generate_until", request.args, answer)
        return found


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
