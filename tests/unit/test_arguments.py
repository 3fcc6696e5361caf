"""Verbs take one thing where they take several, and one seed for everything."""

import numpy as np
import pytest

import tflitekit as tk
from tflitekit.conversion import ConvertOptions
from tflitekit.optimization import optimize as optimization
from tflitekit.render import write_views

DATA = (np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda one, out: tk.benchmark(one), "none.tflite"),
        (lambda one, out: tk.evaluate(one, data=DATA), "none.tflite"),
        (lambda one, out: tk.bundle(one, data=DATA, out=out), "none.tflite"),
        (lambda one, out: tk.convert("m.keras", schemes="int9", out=out), "no scheme 'int9'"),
        (lambda one, out: write_views(None, out, "pdf"), "no report format 'pdf'"),
    ],
)
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_one_is_not_read_letter_by_letter(tmp_path, call, words, kind):
    with pytest.raises(tk.TflitekitError, match=words):
        call(kind(tmp_path / "none.tflite"), tmp_path / "out")


def test_one_scheme_of_optimize(tmp_path):
    (tmp_path / "m.keras").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(tk.TflitekitError, match="no scheme 'int9'"):
        tk.optimize(tmp_path / "m.keras", data=DATA, out=tmp_path, schemes="int9")


@pytest.mark.parametrize(
    ("seed", "options", "expected"),
    [
        (7, None, 7),
        (7, ConvertOptions(batch=2), 7),
        (None, ConvertOptions(seed=5), 5),
        (7, ConvertOptions(seed=5), 7),
        (None, None, ConvertOptions().seed),
    ],
)
def test_one_seed_for_everything(tmp_path, monkeypatch, seed, options, expected):
    """What draws calibration samples gets the seed that draws evaluation samples."""
    (tmp_path / "m.keras").write_bytes(b"\x89HDF\r\n\x1a\n")
    drawn = {}

    class StopError(Exception):
        pass

    def stop(*arguments, options, **others):
        drawn["calibration"] = options.seed
        raise StopError

    monkeypatch.setattr(optimization, "convert_unlocked", stop)
    real = optimization.open_dataset
    monkeypatch.setattr(
        optimization,
        "open_dataset",
        lambda *a, seed, **others: drawn.update(data=seed) or real(*a, seed=seed, **others),
    )
    with pytest.raises(StopError):
        tk.optimize(tmp_path / "m.keras", data=DATA, out=tmp_path / "out", seed=seed, options=options)
    assert drawn == {"calibration": expected, "data": expected}
