"""One user's context, image and memory, and what can be done with them."""

import ctypes
import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from ctypes import POINTER, byref, c_float, c_size_t, c_uint64
from dataclasses import dataclass
from typing import NamedTuple

from bitmar._library import (BitmarError, CaptionOptions, GenerateOptions, Handle, MemoryMode, SessionOptions, Status,
                             StopReason, TextCallback, TokenScoreStruct, ask, call, defaults, ids_array, path_bytes,
                             text_bytes)
from bitmar.engine import Engine


class TokenScore(NamedTuple):
    """How likely the model found a token, given all before it."""

    log_probability: float  # natural
    most_likely: bool       # greedy search would have taken it


@dataclass(frozen=True)
class Caption:
    text: str  # without the prompt
    ids: list[int]
    log_probability: float


@dataclass(frozen=True)
class Generation:
    text: str  # without the prompt
    ids: list[int]
    stop_reason: StopReason
    prompt_tokens: int
    prompt_seconds: float  # to read the prompt
    seconds: float         # to make the text


@dataclass(frozen=True)
class Episode:
    """A memory, and where it came from."""

    id: int
    text: str
    source: str
    time: str  # ISO 8601


def _result(kind: str, handle: Handle) -> tuple[str, list[int]]:
    """Text and ids of a caption or a generation."""
    size = c_size_t()
    text = ctypes.string_at(ask(f"{kind}_text", handle.handle, byref(size)), size.value)
    ids = ask(f"{kind}_ids", handle.handle, byref(size))
    return text.decode("utf-8", "replace"), ids[: size.value]


class Session(Handle):
    """One user's context, image and memory; for one thread at a time. It may outlive its engine.

    `threads` of its own work on a call, the calling one included; results do not depend on them.
    """

    def __init__(self, engine: Engine, *, memory: MemoryMode = MemoryMode.READ_WRITE, threads: int = 1):
        options = defaults("session", SessionOptions())
        options.memory_mode, options.threads = memory, threads
        super().__init__("session_free", lambda handle: call("session_open", engine.handle, byref(options), handle))

    def reset(self) -> None:
        """An empty context; image and memory stay."""
        ask("session_reset", self.handle)

    @property
    def position(self) -> int:
        """Tokens in the context so far."""
        return ask("session_position", self.handle)

    @property
    def memory_bytes(self) -> int:
        """Of caches and workspace."""
        return ask("session_memory_bytes", self.handle)

    # ---- Image ----

    def set_image(self, photo: str | os.PathLike | bytes) -> None:
        """The image of all tokens from now on: the path of a JPEG, PNG or WebP file, or such a file's bytes."""
        if isinstance(photo, bytes):
            call("session_set_image_bytes", self.handle, photo, len(photo))
        else:
            call("session_set_image_file", self.handle, path_bytes(photo))

    def set_image_rgb(self, pixels: bytes, width: int, height: int) -> None:
        """The same from 8-bit RGB rows top down: 3 * width * height bytes."""
        if width < 1 or height < 1 or len(pixels) != 3 * width * height:
            raise BitmarError(Status.INVALID_ARGUMENT,
                              f"pixels holds {len(pixels)} bytes; expected 3 * width * height of {width} x {height}")
        call("session_set_image_rgb", self.handle, bytes(pixels), width, height, 0)

    def set_features(self, features: Sequence[Sequence[float]]) -> None:
        """The same from patch features [patches, vision_width], as a tower or a .npy file gives them."""
        rows = [array("f", row) for row in features]
        width = len(rows[0]) if rows else 0
        if any(len(row) != width for row in rows):
            raise BitmarError(Status.INVALID_ARGUMENT, "features are rows of different widths")
        values = (c_float * (len(rows) * width)).from_buffer_copy(b"".join(row.tobytes() for row in rows))
        call("session_set_features", self.handle, values, len(rows), width)

    def clear_image(self) -> None:
        ask("session_clear_image", self.handle)

    @property
    def has_image(self) -> bool:
        return ask("session_has_image", self.handle)

    # ---- Tokens ----

    def prefill(self, ids: Iterable[int]) -> array:
        """Reads tokens, at least one; returns the logits [vocabulary] after the last, as a float array."""
        tokens = ids_array(ids)
        logits = POINTER(c_float)()
        call("session_prefill", self.handle, tokens, len(tokens), byref(logits))
        count = ask("session_vocabulary_size", self.handle)
        return array("f", ctypes.string_at(logits, count * ctypes.sizeof(c_float)))

    def score(self, ids: Iterable[int], context_count: int = 0) -> list[TokenScore]:
        """Reads tokens and scores those from ids[context_count] on, each given all before it in the context.

        The first token of a context has no score, since nothing predicts it: give <|endoftext|> before it.
        """
        if context_count < 0:
            raise BitmarError(Status.INVALID_ARGUMENT, f"context_count is {context_count}; expected 0 or more")
        tokens = ids_array(ids)
        scores = (TokenScoreStruct * max(len(tokens) - context_count, 0))()
        call("session_score", self.handle, tokens, len(tokens), context_count, scores)
        return [TokenScore(score.log_probability, score.most_likely) for score in scores]

    # ---- Text ----

    def caption(self, *, prompt: str = "", beam_width: int | None = None, maximum_tokens: int | None = None,
                length_exponent: float | None = None, image_weight: float | None = None) -> Caption:
        """Describes the image, in a new context; `prompt` is how the caption begins."""
        options = defaults("caption", CaptionOptions())
        options.prompt = text_bytes(prompt)
        _set(options, beam_width=beam_width, maximum_tokens=maximum_tokens, length_exponent=length_exponent,
             image_weight=image_weight)
        with Handle("caption_free", lambda made: call("session_caption", self.handle, byref(options), made)) as made:
            return Caption(*_result("caption", made), ask("caption_log_probability", made.handle))

    def generate(self, prompt: str = "", *, maximum_tokens: int | None = None, temperature: float | None = None,
                 top_k: int | None = None, top_p: float | None = None, min_p: float | None = None,
                 repetition_penalty: float | None = None, repetition_window: int | None = None, seed: int | None = None,
                 stop_at_end: bool | None = None, on_text: Callable[[str], bool] | None = None) -> Generation:
        """Continues the context with a prompt and what the model makes of it; greedy unless there is a temperature.

        A new context is opened with <|endoftext|>. `on_text` hears each piece of the text as it is made, whole
        characters, and returns whether to go on; it may use anything but this session, and what it raises is raised
        here.
        """
        options = defaults("generate", GenerateOptions())
        _set(options, maximum_tokens=maximum_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
             repetition_penalty=repetition_penalty, repetition_window=repetition_window, seed=seed,
             stop_at_end=stop_at_end)
        raised: list[BaseException] = []

        def hear(piece: int, size: int, _: object) -> bool:
            try:
                return bool(on_text(ctypes.string_at(piece, size).decode("utf-8", "replace")))
            except BaseException as error:  # no exception may pass through the library
                raised.append(error)
                return False

        callback = TextCallback(hear) if on_text else TextCallback()
        text = text_bytes(prompt)
        made = Handle("generation_free", lambda handle: call("session_generate", self.handle, text, byref(options),
                                                             callback, None, handle))
        with made:
            if raised:
                raise raised[0]
            return Generation(*_result("generation", made), StopReason(ask("generation_stop_reason", made.handle)),
                              ask("generation_prompt_tokens", made.handle),
                              ask("generation_prompt_seconds", made.handle), ask("generation_seconds", made.handle))

    # ---- Episodic memory ----

    def write_episode(self, text: str, *, source: str = "", time: str | None = None) -> int:
        """The tokens read since the context or the last episode began become an episode; returns its id."""
        episode = c_uint64()
        call("memory_write", self.handle, text_bytes(text), text_bytes(source),
             None if time is None else text_bytes(time), byref(episode))
        return episode.value

    def episodes(self) -> list[Episode]:
        """Oldest first."""
        with Handle("episodes_free", lambda made: call("memory_list", self.handle, made)) as made:
            return [Episode(ask("episodes_id", made.handle, index),
                            *(ask(f"episodes_{field}", made.handle, index).decode("utf-8", "replace")
                              for field in ("text", "source", "time")))
                    for index in range(ask("episodes_count", made.handle))]

    def forget_episode(self, episode: int) -> None:
        """Removes an episode with all that it did, as if it had not been."""
        call("memory_forget", self.handle, episode)

    def save_memory(self, path: str | os.PathLike) -> None:
        """The memory as a snapshot file, the same as `bitmar memory` keeps."""
        call("memory_save", self.handle, path_bytes(path))

    def load_memory(self, path: str | os.PathLike) -> None:
        """Takes over a snapshot of the same model in place of the session's own memory."""
        call("memory_load", self.handle, path_bytes(path))


def _set(options: ctypes.Structure, **values: float | None) -> None:
    """Sets those that are given."""
    for name, value in values.items():
        if value is not None:
            setattr(options, name, value)
