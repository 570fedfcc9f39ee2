"""Finds libbitmar, declares bitmar.h's functions to ctypes, and turns its status codes into exceptions."""

import ctypes
import ctypes.util
import enum
import functools
import os
import weakref
from collections.abc import Callable
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint32
from ctypes import c_uint64, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Status(enum.IntEnum):
    """bitmar_status."""

    OK = 0
    INVALID_ARGUMENT = 1
    NOT_FOUND = 2
    INVALID_FILE = 3
    UNSUPPORTED = 4
    OUT_OF_RANGE = 5
    IO = 6
    OUT_OF_MEMORY = 7
    INTERNAL = 8


class MemoryMode(enum.IntEnum):
    """bitmar_memory_mode."""

    READ_WRITE = 0
    READ_ONLY = 1
    OFF = 2


class StopReason(enum.IntEnum):
    """bitmar_stop_reason."""

    END_OF_TEXT = 0
    MAXIMUM_TOKENS = 1
    CALLBACK = 2


class BitmarError(Exception):
    """What the library refused: its message, and which kind of failure it is."""

    def __init__(self, status: Status, message: str):
        super().__init__(message)
        self.status = status


class ErrorStruct(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", c_char * 1024)]


class EngineOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("tower_path", c_char_p), ("isa", c_char_p)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("memory_mode", c_int32), ("threads", c_size_t)]


class CaptionOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("beam_width", c_size_t), ("maximum_tokens", c_size_t),
                ("length_exponent", c_float), ("prompt", c_char_p), ("image_weight", c_float)]


class GenerateOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("maximum_tokens", c_size_t), ("seed", c_uint64), ("temperature", c_float),
                ("top_p", c_float), ("min_p", c_float), ("repetition_penalty", c_float), ("top_k", c_uint32),
                ("repetition_window", c_uint32), ("stop_at_end", c_bool)]


class TokenScoreStruct(ctypes.Structure):
    _fields_ = [("log_probability", c_double), ("most_likely", c_bool)]


TextCallback = ctypes.CFUNCTYPE(c_bool, c_void_p, c_size_t, c_void_p)

_ERROR = POINTER(ErrorStruct)
_IDS = POINTER(c_uint32)

# name: (result, arguments). Handles are void pointers. What returns a status has its error last, which call() adds.
_STATUS_FUNCTIONS: dict[str, list[Any]] = {
    "engine_open": [c_char_p, POINTER(EngineOptions), POINTER(c_void_p)],
    "tokenize": [c_void_p, c_char_p, c_size_t, _IDS, c_size_t, POINTER(c_size_t)],
    "detokenize": [c_void_p, _IDS, c_size_t, c_void_p, c_size_t, POINTER(c_size_t)],
    "session_open": [c_void_p, POINTER(SessionOptions), POINTER(c_void_p)],
    "session_set_image_bytes": [c_void_p, c_char_p, c_size_t],
    "session_set_image_file": [c_void_p, c_char_p],
    "session_set_image_rgb": [c_void_p, c_char_p, c_uint32, c_uint32, c_size_t],
    "session_set_features": [c_void_p, POINTER(c_float), c_size_t, c_size_t],
    "session_prefill": [c_void_p, _IDS, c_size_t, POINTER(POINTER(c_float))],
    "session_score": [c_void_p, _IDS, c_size_t, c_size_t, POINTER(TokenScoreStruct)],
    "session_caption": [c_void_p, POINTER(CaptionOptions), POINTER(c_void_p)],
    "session_generate": [c_void_p, c_char_p, POINTER(GenerateOptions), TextCallback, c_void_p, POINTER(c_void_p)],
    "memory_write": [c_void_p, c_char_p, c_char_p, c_char_p, POINTER(c_uint64)],
    "memory_forget": [c_void_p, c_uint64],
    "memory_save": [c_void_p, c_char_p],
    "memory_load": [c_void_p, c_char_p],
    "memory_list": [c_void_p, POINTER(c_void_p)],
}
_PLAIN_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "version": (c_char_p, []),
    "engine_free": (None, [c_void_p]),
    "engine_vocabulary_size": (c_uint32, [c_void_p]),
    "engine_end_of_text": (c_uint32, [c_void_p]),
    "engine_vision_width": (c_size_t, [c_void_p]),
    "engine_has_vision_tower": (c_bool, [c_void_p]),
    "engine_memory_slots": (c_size_t, [c_void_p]),
    "engine_memory_bytes": (c_size_t, [c_void_p]),
    "session_free": (None, [c_void_p]),
    "session_reset": (None, [c_void_p]),
    "session_position": (c_uint64, [c_void_p]),
    "session_vocabulary_size": (c_uint32, [c_void_p]),
    "session_memory_bytes": (c_size_t, [c_void_p]),
    "session_clear_image": (None, [c_void_p]),
    "session_has_image": (c_bool, [c_void_p]),
    "caption_text": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "caption_ids": (_IDS, [c_void_p, POINTER(c_size_t)]),
    "caption_log_probability": (c_double, [c_void_p]),
    "caption_free": (None, [c_void_p]),
    "generation_text": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "generation_ids": (_IDS, [c_void_p, POINTER(c_size_t)]),
    "generation_stop_reason": (c_int, [c_void_p]),
    "generation_prompt_tokens": (c_size_t, [c_void_p]),
    "generation_prompt_seconds": (c_double, [c_void_p]),
    "generation_seconds": (c_double, [c_void_p]),
    "generation_free": (None, [c_void_p]),
    "episodes_count": (c_size_t, [c_void_p]),
    "episodes_id": (c_uint64, [c_void_p, c_size_t]),
    "episodes_text": (c_char_p, [c_void_p, c_size_t]),
    "episodes_source": (c_char_p, [c_void_p, c_size_t]),
    "episodes_time": (c_char_p, [c_void_p, c_size_t]),
    "episodes_free": (None, [c_void_p]),
    "engine_options_initialize": (None, [POINTER(EngineOptions), c_size_t]),
    "session_options_initialize": (None, [POINTER(SessionOptions), c_size_t]),
    "caption_options_initialize": (None, [POINTER(CaptionOptions), c_size_t]),
    "generate_options_initialize": (None, [POINTER(GenerateOptions), c_size_t]),
}
_NAMES = ("libbitmar.so", "libbitmar.dylib")


def _candidates() -> list[str]:
    named = os.environ.get("BITMAR_LIBRARY")
    if named:
        return [named]
    package = Path(__file__).resolve().parent
    folders = [package, *(package.parents[1] / build / "src" / "capi" for build in ("build", "build-train"))]
    found = [str(folder / name) for folder in folders for name in _NAMES if (folder / name).exists()]
    system = ctypes.util.find_library("bitmar")
    return found + ([system] if system else [])


@functools.cache
def library() -> ctypes.CDLL:
    """The shared library, loaded at the first call."""
    candidates = _candidates()
    if not candidates:
        raise BitmarError(Status.NOT_FOUND, "libbitmar is not beside the package, in no build folder and not installed; "
                                            "build it (cmake --build build --target bitmar_shared) or set BITMAR_LIBRARY")
    try:
        loaded = ctypes.CDLL(candidates[0])
        for name, arguments in _STATUS_FUNCTIONS.items():
            function = getattr(loaded, f"bitmar_{name}")
            function.restype, function.argtypes = c_int, [*arguments, _ERROR]
        for name, (result, arguments) in _PLAIN_FUNCTIONS.items():
            function = getattr(loaded, f"bitmar_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise BitmarError(Status.UNSUPPORTED, f"{candidates[0]}: {error}") from error
    return loaded


def ask(name: str, *arguments: Any) -> Any:
    """Calls a function that cannot fail; `name` without "bitmar_"."""
    return getattr(library(), f"bitmar_{name}")(*arguments)


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status; raises BitmarError where it is not OK."""
    error = ErrorStruct()
    if ask(name, *arguments, byref(error)) != Status.OK:
        raise BitmarError(Status(error.status), error.message.decode("utf-8", "replace"))


def defaults(kind: str, options: Any) -> Any:
    """`options` with the library's defaults; `kind` is "engine", "session", …"""
    ask(f"{kind}_options_initialize", byref(options), ctypes.sizeof(options))
    return options


def ids_array(ids: Any) -> ctypes.Array:
    """Token ids as a C array."""
    values = list(ids)
    for value in values:
        if not 0 <= value < 2**32:
            raise BitmarError(Status.OUT_OF_RANGE, f"token {value} is no 32-bit unsigned number")
    return (c_uint32 * len(values))(*values)


def path_bytes(path: str | os.PathLike) -> bytes:
    """A path as the library takes it."""
    return text_bytes(os.fsencode(path))


def text_bytes(text: str | bytes) -> bytes:
    """Text as the library's NUL-terminated strings take it."""
    data = text.encode() if isinstance(text, str) else text
    if b"\0" in data:
        raise BitmarError(Status.INVALID_ARGUMENT, f"{text!r} holds a NUL character")
    return data


class Handle:
    """Owns a handle of the library, which is freed with the object, by close(), or at the end of a `with`."""

    def __init__(self, free: str, open_handle: Callable[[Any], None]):
        handle = c_void_p()
        open_handle(byref(handle))
        self._handle: c_void_p | None = handle
        self._release = weakref.finalize(self, getattr(library(), f"bitmar_{free}"), handle)

    @property
    def handle(self) -> c_void_p:
        """For the library; an error once it is closed."""
        if self._handle is None:
            raise BitmarError(Status.INVALID_ARGUMENT, f"this {type(self).__name__} is closed")
        return self._handle

    def close(self) -> None:
        self._handle = None
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()
