"""The Python package against the tool: the same texts and log-probabilities; errors, lifetimes, callbacks, memory."""

import gc
import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from programs import output_of

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "examples" / "chelsea.jpg"


@pytest.fixture(scope="module")
def engine(bitmar, model_path: Path):
    return bitmar.Engine(model_path)


@pytest.fixture
def session(bitmar, engine):
    return bitmar.Session(engine)


def test_generates_what_the_tool_generates(bitmar, engine, program, model_path: Path) -> None:
    for options, flags in [({}, ["--temp", "0"]),
                           ({"temperature": 0.9, "seed": 7, "top_k": 30, "top_p": 0.9, "min_p": 0.01,
                             "repetition_penalty": 1.1, "repetition_window": 20, "stop_at_end": False},
                            ["--temp", "0.9", "-s", "7", "--top-k", "30", "--top-p", "0.9", "--min-p", "0.01",
                             "--repeat-penalty", "1.1", "--repeat-last-n", "20", "--ignore-eos"])]:
        tool = json.loads(output_of([program("bitmar"), "generate", "-m", model_path, "-p", "The café", "-n", "30",
                                     "--image", PHOTO, "--json", *flags]))
        session = bitmar.Session(engine)
        session.set_image(PHOTO.read_bytes())
        pieces = []
        made = session.generate("The café", maximum_tokens=30, on_text=lambda piece: pieces.append(piece) or True,
                                **options)
        assert (made.text, made.ids, made.prompt_tokens) == (tool["text"], tool["ids"], tool["prompt_tokens"])
        assert "".join(pieces) == made.text
        ended = made.stop_reason == bitmar.StopReason.END_OF_TEXT
        assert tool["stopped_by"] == ("end-of-text" if ended else "length")
        assert session.position == made.prompt_tokens + len(made.ids)


def test_captions_as_the_tool_captions(session, program, model_path: Path) -> None:
    tool = json.loads(output_of([program("bitmar"), "caption", "-m", model_path, "--beam", "3", "-n", "20", "-p", "A",
                                 "--length-exponent", "0.5", "--image-weight", "30", "--json", PHOTO]))
    session.set_image(PHOTO)
    options = {"prompt": "A", "beam_width": 3, "maximum_tokens": 20, "length_exponent": 0.5}
    caption = session.caption(**options, image_weight=30)
    assert (caption.text, caption.log_probability) == (tool["caption"], tool["log_probability"])
    assert session.caption(**options, image_weight=0).log_probability >= caption.log_probability


def test_a_caption_scores_its_own_log_probability(engine, session) -> None:
    """The sum over the caption's tokens and the end of the text."""
    session.set_image(PHOTO)
    caption = session.caption()
    session.reset()
    end = engine.end_of_text
    scores = session.score([end, *caption.ids, end], 1)
    assert sum(score.log_probability for score in scores) == pytest.approx(caption.log_probability, abs=1e-9)


def test_tokenizes_any_text(bitmar, engine) -> None:
    text = "Ein Café in 東京 costs 5€"
    ids = engine.tokenize(text)
    assert engine.detokenize(ids) == text
    assert engine.detokenize_bytes(engine.tokenize(b"\xff\x00\xfe")) == b"\xff\x00\xfe"
    assert engine.tokenize("") == []
    assert engine.detokenize([]) == ""
    assert engine.detokenize(engine.tokenize("東")[:1]) == "\ufffd"
    with pytest.raises(bitmar.BitmarError, match="outside the vocabulary") as caught:
        engine.detokenize([engine.vocabulary_size])
    assert caught.value.status == bitmar.Status.OUT_OF_RANGE


def test_logits_and_scores_are_of_one_distribution(engine, session) -> None:
    logits = session.prefill([engine.end_of_text])
    assert len(logits) == engine.vocabulary_size
    token = max(range(len(logits)), key=logits.__getitem__)
    total = math.log(math.fsum(map(math.exp, logits)))
    (score,) = session.score([token])
    assert score.most_likely
    assert score.log_probability == pytest.approx(logits[token] - total, abs=1e-11)


def test_images_in_all_forms(bitmar, engine, session) -> None:
    def logits() -> bytes:
        session.reset()
        return session.prefill([engine.end_of_text, 32]).tobytes()

    without = logits()
    pixels = Image.linear_gradient("L").convert("RGB").resize((20, 10))
    session.set_image_rgb(pixels.tobytes(), 20, 10)
    assert session.has_image
    assert logits() != without
    session.set_features([[0.5, -1.0] * (engine.vision_width // 2)] * 4)
    by_lists = logits()
    assert by_lists != without
    session.set_features(np.tile(np.float32([0.5, -1.0]), (4, engine.vision_width // 2)))
    assert logits() == by_lists
    session.clear_image()
    assert logits() == without
    for bad in (lambda: session.set_image_rgb(b"abc", 2, 2), lambda: session.set_features([[1.0], [1.0, 2.0]]),
                lambda: session.set_features([[1.0]]), lambda: session.set_features([]),
                lambda: session.set_image(b"no photo"), lambda: session.set_image("no/such.jpg")):
        with pytest.raises(bitmar.BitmarError):
            bad()
    assert logits() == without


def test_memory_as_the_tool_keeps_it(bitmar, engine, session, program, model_path: Path, tmp_path: Path) -> None:
    session.set_image(PHOTO)
    caption = session.caption()
    first = session.write_episode(caption.text, source=PHOTO.name, time="2025-01-02T03:04:05Z")
    session.prefill(engine.tokenize(" More."))
    second = session.write_episode("Ein Café")
    session.save_memory(tmp_path / "snapshot.memory")
    listed = json.loads(output_of([program("bitmar"), "memory", "list", "-m", model_path, "--memory",
                                   tmp_path / "snapshot.memory", "--json"]))
    episodes = session.episodes()
    assert [episode.id for episode in episodes] == [first, second]
    assert episodes[0] == bitmar.Episode(first, caption.text, PHOTO.name, "2025-01-02T03:04:05Z")
    assert [(row["id"], row["text"], row["source"], row["time"]) for row in listed["episodes"]] == [
        (episode.id, episode.text, episode.source, episode.time) for episode in episodes]
    session.forget_episode(first)
    assert [episode.id for episode in session.episodes()] == [second]
    session.load_memory(tmp_path / "snapshot.memory")
    assert session.episodes() == episodes
    with pytest.raises(bitmar.BitmarError) as caught:
        session.forget_episode(99)
    assert caught.value.status == bitmar.Status.NOT_FOUND


def test_errors_carry_the_librarys_message(bitmar, engine, session, tmp_path: Path) -> None:
    for call, status, message in [
            (lambda: bitmar.Engine(tmp_path / "none.gguf"), bitmar.Status.NOT_FOUND, "none.gguf"),
            (lambda: bitmar.Engine(__file__), bitmar.Status.INVALID_FILE, "test_binding.py"),
            (lambda: bitmar.Session(engine, threads=0), bitmar.Status.OUT_OF_RANGE, "threads is 0"),
            (lambda: session.prefill([]), bitmar.Status.INVALID_ARGUMENT, "no tokens"),
            (lambda: session.prefill([-1]), bitmar.Status.OUT_OF_RANGE, "token -1"),
            (lambda: session.prefill([2**32 + 5]), bitmar.Status.OUT_OF_RANGE, "token 4294967301"),
            (lambda: session.score([1, 2]), bitmar.Status.INVALID_ARGUMENT, "first token"),
            (lambda: session.score([1, 2], 3), bitmar.Status.INVALID_ARGUMENT, "3 of 2"),
            (lambda: session.score([1, 2], -1), bitmar.Status.INVALID_ARGUMENT, "context_count is -1"),
            (lambda: session.generate("a\0b"), bitmar.Status.INVALID_ARGUMENT, "NUL"),
            (lambda: session.generate("a", temperature=-1.0), bitmar.Status.OUT_OF_RANGE, "temperature is -1")]:
        with pytest.raises(bitmar.BitmarError) as caught:
            call()
        assert caught.value.status == status
        assert message in str(caught.value)
    assert session.position == 0


def test_what_a_callback_raises_is_raised(session) -> None:
    def refuse(piece: str) -> bool:
        raise KeyError(piece)

    with pytest.raises(KeyError):
        session.generate("The", on_text=refuse)
    made = session.generate("The", on_text=lambda piece: False)
    assert len(made.ids) <= 2


def test_handles_are_freed_once_and_in_any_order(bitmar, model_path: Path) -> None:
    engine = bitmar.Engine(model_path)
    with bitmar.Session(engine) as session:
        engine.close()
        engine.close()
        assert session.prefill([1])
    with pytest.raises(bitmar.BitmarError, match="this Session is closed"):
        session.prefill([1])
    with pytest.raises(bitmar.BitmarError, match="this Engine is closed"):
        bitmar.Session(engine)
    del session, engine
    gc.collect()


def test_threads_share_an_engine(bitmar, engine) -> None:
    ids = [engine.end_of_text, *engine.tokenize("A man is walking down the street with his dog.")]

    def score(_: int) -> list:
        return bitmar.Session(engine, memory=bitmar.MemoryMode.READ_ONLY).score(ids, 1)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(score, range(16)))
    assert all(result == results[0] for result in results)


def test_a_missing_library_is_named(program) -> None:
    done = subprocess.run([sys.executable, "-c", "import bitmar; bitmar.library_version()"], capture_output=True, text=True,
                          env={"BITMAR_LIBRARY": "/no/such/libbitmar.so", "PYTHONPATH": str(ROOT / "python")})
    assert done.returncode != 0
    assert "BitmarError: /no/such/libbitmar.so" in done.stderr
