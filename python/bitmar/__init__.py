"""BitMar from Python: photos to text on the CPU, with an episodic memory, through libbitmar's C API (bitmar.h).

    import bitmar

    engine = bitmar.Engine("bitmar-14m.gguf")
    session = bitmar.Session(engine)
    session.set_image("photo.jpg")
    print(session.caption().text)

    ids = [engine.end_of_text, *engine.tokenize("Once upon a time")]
    for score in bitmar.Session(engine).score(ids, 1):
        print(score.log_probability, score.most_likely)

Threads, lifetimes, units and errors are bitmar.h's: an engine is shared between threads, a session is for one at a time,
and calls let other Python threads run. What fails raises BitmarError with the library's message. Needs no other package.

The library is looked for where the environment variable BITMAR_LIBRARY points, beside this package, in the build folders
of the checkout that it lies in, and where the system finds shared libraries.
"""

from bitmar._library import BitmarError, MemoryMode, Status, StopReason
from bitmar.engine import Engine, library_version
from bitmar.session import Caption, Episode, Generation, Session, TokenScore

__all__ = ["BitmarError", "Caption", "Engine", "Episode", "Generation", "MemoryMode", "Session", "Status", "StopReason",
           "TokenScore", "library_version"]
