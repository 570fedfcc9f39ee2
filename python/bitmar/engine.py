"""A loaded model and its tokenizer."""

import ctypes
import os
from collections.abc import Iterable
from ctypes import byref, c_size_t

from bitmar._library import EngineOptions, Handle, ask, call, defaults, ids_array, path_bytes, text_bytes


def library_version() -> str:
    """Of the library in use, e.g. "0.1.0"."""
    return ask("version").decode()


class Engine(Handle):
    """A model, loaded: it never changes, and threads share it. The file must stay as it is while the engine is open.

    `tower`: a vision tower's file, for a model without one or in place of its own. `isa`: the kernels' instruction set;
    default: what BITMAR_ISA names, else the fastest here.
    """

    def __init__(self, path: str | os.PathLike, *, tower: str | os.PathLike | None = None, isa: str | None = None):
        options = defaults("engine", EngineOptions())
        options.tower_path = None if tower is None else path_bytes(tower)
        options.isa = None if isa is None else text_bytes(isa)
        super().__init__("engine_free", lambda handle: call("engine_open", path_bytes(path), byref(options), handle))

    @property
    def vocabulary_size(self) -> int:
        return ask("engine_vocabulary_size", self.handle)

    @property
    def end_of_text(self) -> int:
        """The id of <|endoftext|>, with which a context begins."""
        return ask("engine_end_of_text", self.handle)

    @property
    def vision_width(self) -> int:
        """Of one patch feature."""
        return ask("engine_vision_width", self.handle)

    @property
    def has_vision_tower(self) -> bool:
        """Whether it takes photos, not only features."""
        return ask("engine_has_vision_tower", self.handle)

    @property
    def memory_slots(self) -> int:
        """0: the model has no memory."""
        return ask("engine_memory_slots", self.handle)

    @property
    def memory_bytes(self) -> int:
        """What the loaded model takes."""
        return ask("engine_memory_bytes", self.handle)

    def tokenize(self, text: str | bytes) -> list[int]:
        """GPT-2's ids of any bytes; a string's are those of its UTF-8."""
        data = text.encode() if isinstance(text, str) else bytes(text)
        ids = (ctypes.c_uint32 * len(data))()  # no byte makes more than one
        count = c_size_t()
        call("tokenize", self.handle, data, len(data), ids, len(ids), byref(count))
        return ids[: count.value]

    def detokenize_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of ids, which may end within a character."""
        array = ids_array(ids)
        size = c_size_t()
        call("detokenize", self.handle, array, len(array), None, 0, byref(size))
        text = ctypes.create_string_buffer(size.value)
        call("detokenize", self.handle, array, len(array), text, size.value, byref(size))
        return text.raw

    def detokenize(self, ids: Iterable[int]) -> str:
        """The text of ids; a part of a character that stands alone becomes U+FFFD."""
        return self.detokenize_bytes(ids).decode("utf-8", "replace")
