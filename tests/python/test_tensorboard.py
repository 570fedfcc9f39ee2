"""TensorBoard itself reads the trainer's event files: scalars, histograms, images and texts of a tiny run."""

import io
import math

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
from tiny_training import TinyTraining

STEPS, DIAGNOSTICS_EVERY = 20, 10
EVERYTHING = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}  # keep all


@pytest.fixture(scope="module")
def training(program, tmp_path_factory) -> TinyTraining:
    training = TinyTraining(tmp_path_factory.mktemp("tensorboard"), program("bitmar-train"))
    training.run("run", steps=STEPS, diagnostics_every=DIAGNOSTICS_EVERY, evaluate_every=10, caption_samples=2)
    return training


@pytest.fixture(scope="module")
def events(training) -> EventAccumulator:
    accumulator = EventAccumulator(str(training.folder / "run" / "log"), size_guidance=EVERYTHING)
    accumulator.Reload()
    return accumulator


def test_scalars_equal_the_json_lines(training, events) -> None:
    log = training.log("run")
    assert len(log) == STEPS
    tags = {tag for line in log for tag, value in line.items() if tag != "step" and not isinstance(value, (str, list))}
    assert {"loss/total", "loss/language", "loss/contrast", "loss/memory", "alignment/average_cosine",
            "memory/utilisation", "zeros/overall", "train/flops_per_step"} <= tags
    read = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert set(read) == tags | {"train/tokens_per_second"}
    for tag in tags:
        expected = [(line["step"], line[tag]) for line in log if tag in line]
        assert [step for step, _ in read[tag]] == [step for step, _ in expected], tag
        np.testing.assert_array_equal([np.float32(value) for _, value in read[tag]],
                                      [np.float32(value) for _, value in expected], err_msg=tag)


def test_histograms(events) -> None:
    tags = events.Tags()["histograms"]
    assert tags
    for tag in tags:
        entries = events.Histograms(tag)
        assert [entry.step for entry in entries] == [10, 20], tag
        for entry in entries:
            value = entry.histogram_value
            assert value.num == sum(value.bucket) > 0
            assert value.min <= value.sum / value.num <= value.max
            assert all(math.isfinite(limit) for limit in value.bucket_limit)


def test_images(events) -> None:
    tags = events.Tags()["images"]
    assert any("attention" in tag for tag in tags)
    for tag in tags:
        for entry in events.Images(tag):
            picture = Image.open(io.BytesIO(entry.encoded_image_string))
            assert picture.size == (entry.width, entry.height)
            assert np.asarray(picture).max() == 255, f"{tag}: the brightest point of a heat map is white"


def test_texts(training, events) -> None:
    log = training.log("run")
    expected = {tag: value for line in log for tag, value in line.items() if tag.startswith("captions/")}
    assert len(expected) == 2
    for tag, value in expected.items():
        # TensorBoard turns text summaries into tensors of strings.
        name = tag if tag in events.Tags()["tensors"] else f"{tag}/text_summary"
        assert make_ndarray(events.Tensors(name)[-1].tensor_proto).item().decode() == value
