"""Advice that fits: no scheme is told to try itself, or what it cannot do."""

import shutil

import numpy as np
import pytest
from echo_model import echo_model

from tflitekit.core.errors import ModelError
from tflitekit.schemes import available, parse_request
from tflitekit.schemes.advice import finer, learned_from, more_accurate, request_of, without_integer_kernels
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

REQUESTS = [*available(), "pruned:then=float16", "clustered:then=float32", "finetuned:then=int8", "int8:io=uint8"]


@pytest.mark.parametrize("text", REQUESTS)
def test_no_scheme_is_told_to_try_itself(text):
    request = parse_request(text)
    for advice in (finer(request), more_accurate(request), without_integer_kernels(request) or ""):
        words = advice.replace(":", " ").replace(",", " ").replace(".", " ").split()
        assert request.scheme.name not in words or "then=" in advice
    trained = bool(request.stages)
    assert ("calibrate" in more_accurate(request).lower()) == request.calibrated
    assert (learned_from(request) == "train") == any(stage.kind == "quantize" for stage in request.stages)
    if not trained and not request.calibrated:
        assert without_integer_kernels(request) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int8", "int8_float_fallback"), ("int16x8", "int8_float_fallback"), ("int8_float_fallback", "dynamic_range or float16"),
        ("qat", "tflitekit preflight"), ("pruned_qat", "tflitekit preflight"), ("pruned", "pruned:then=dynamic_range"),
        ("clustered", "clustered:then=float16"),
    ],
)  # fmt: skip
def test_what_to_try_without_integer_kernels(text, words):
    assert words in without_integer_kernels(parse_request(text))


def test_files_of_unknown_origin_and_of_schemes_that_are_not_here():
    assert request_of(None, {}) is None
    assert request_of("theirs", {"io": "int8"}) is None
    assert "Calibrate" in more_accurate(None)


def test_a_file_that_was_deleted(tmp_path):
    path = echo_model(tmp_path / "m.tflite", (1, 4), "float32")
    graph = read_graph(path)
    assert Model(path, graph=graph).run([np.zeros((1, 4), np.float32)])
    for remove in (path.unlink, lambda: shutil.rmtree(tmp_path)):
        remove()
        with pytest.raises(
            ModelError, match=r"(?s)m\.tflite was there a moment ago and is gone.*same command again"
        ) as found:
            Model(path, graph=graph)
        assert "inspect" not in str(found.value)
