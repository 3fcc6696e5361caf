"""Files on further targets, beside this host: the worker that any Python can run, and what of it enters the report."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tflitekit as tk
from tflitekit.accuracy.inference import Elsewhere
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.render.targets_text import told_once
from tflitekit.results import Examination, Placement
from tflitekit.targets import open_target, register_target
from tflitekit.targets.remote import WORKER, Remote, RemoteModel, RemoteSession, Start
from tflitekit.targets.worker.frames import read_frame, write_frame
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

MODELS = Path(__file__).parents[1] / "data" / "models"


def start(engine: str = "litert", **variables: str) -> Start:
    return Start([sys.executable, "-B", str(WORKER), engine], "the worker", variables)


@register_target("worker-here")
class WorkerTarget:
    """This machine behind a worker: what a board, an emulator and a browser do, without these."""

    name, kind, good_for, parallel = "worker-here", "emulator", ("accuracy",), True

    def identity(self):
        return {"runtime": "litert"}

    def model(self, path, *, graph):
        return RemoteModel(start(), path, graph)

    def open(self, path, *, threads, shapes=None):
        return RemoteSession(start(), path, read_graph(path), threads=threads, shapes=shapes or {})

    def profile(self, path, *, threads, shapes=None):
        raise ModelError("The worker has no profiler.")

    def close(self):
        pass


@register_target("desk", takes="DRAWER")
class DeskTarget:
    """Says of each file what a compiler would, and runs nothing."""

    kind, good_for = "simulator", ()

    def __init__(self, drawer: str = "top") -> None:
        self.name = f"desk:{drawer}"

    def identity(self):
        return {"runtime": "pencil 2"}

    def examine(self, path, *, graph):
        if "float" in path.stem:
            raise ModelError("The desk takes integers only.")
        return Examination(
            tool="pencil 2", placements=(Placement(index=0, op="CONV_2D", layer="a", where="NPU"),), sram_bytes=1024
        )

    def close(self):
        pass


def test_the_same_kernels_behind_a_worker_give_the_same_bits(variants, shapes):
    files = [variants / f"{name}.tflite" for name in ("float32", "int8")]
    found = tk.evaluate(files, data=shapes / "test", also_on=["worker-here", "desk:left"], also_on_limit=50)
    for row in found.variants:
        there, desk = row.on_targets
        assert (there.target, there.provenance, there.samples) == ("worker-here", "emulated", 50)
        assert there.identical == 50
        assert there.deviation == 0
        assert there.drop_from_host.value == 0
        assert there.accuracy.n == there.drop.n == 50
        assert (desk.target, desk.provenance, desk.samples) == ("desk:left", "estimated", None)
    one, other = (row.on_targets[1] for row in found.variants)
    assert "The desk takes integers only." in one.refused
    assert other.examination.accelerated == 1.0
    assert found.variants[0].accuracy.n == 120  # the host's figures are those of all samples


def test_a_limit_for_no_target_and_notes_that_files_share():
    with pytest.raises(UsageError, match="--also-on-limit only applies with --also-on"):
        EvaluateOptions(also_on_limit=50)
    assert told_once({"int8": ["a", "b"], "qat": ["a"]}) == ["a", "int8: b"]


def test_other_arithmetic_is_told_apart(variants, shapes, monkeypatch):
    class Coarse(RemoteModel):
        def run(self, columns):
            return [np.round(values, 1) for values in super().run(columns)]

    monkeypatch.setattr(WorkerTarget, "model", lambda self, path, *, graph: Coarse(start(), path, graph))
    found = tk.evaluate([variants / "float32.tflite"], data=shapes / "test", also_on="worker-here")
    there = found.variants[0].on_targets[0]
    assert there.identical < 120
    assert 0 < there.deviation <= 0.05 + 1e-6
    assert there.refused is None


@pytest.mark.parametrize("file", ["converted/two_inputs/float32.tflite", "models/counter.tflite"])
def test_inputs_and_state_go_through_a_worker(file):
    path = MODELS.parent / file
    graph, host, generator = read_graph(path), Model(path), np.random.default_rng(3)
    rows = [[generator.random((1, *spec.shape[1:]), np.float32) for spec in graph.inputs] for _ in range(4)]
    far = RemoteModel(start(), path, graph)
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    found = list(Elsewhere(far, graph).run_each(columns, outputs=range(len(graph.outputs))))
    far.close()
    for row, outputs in zip(rows, found, strict=True):
        for here, there in zip(host.run(row), outputs, strict=True):
            np.testing.assert_array_equal(here, there)


def test_a_worker_is_measured_like_the_host(variants):
    report = tk.benchmark([variants / "float32.tflite"], target="worker-here", runs=20)
    latency = report.variants[0].latency
    assert (latency.target, latency.target_kind, latency.counts) == ("worker-here", "emulator", False)
    assert latency.runs >= 20
    assert report.variants[0].peak_memory_bytes is not None
    wanted = r"'desk:top' examines files; it does not measure latency\.\nGive --target one that measures latency"
    with pytest.raises(UsageError, match=wanted):
        tk.benchmark([variants / "float32.tflite"], target="desk")


def test_what_a_target_cannot_be_is_said_before_anything_runs(variants, shapes):
    for name, said in (
        ("nowhere", "There is no target 'nowhere'"),
        ("worker-here:3", "There is no target 'worker-here:3'"),
        ("desk:", "There is no target 'desk:'"),
    ):
        with pytest.raises(UsageError, match=said), open_target(name):
            pass
    with pytest.raises(UsageError, match="--also-on runs samples that do not depend on each other"):
        tk.evaluate([variants / "float32.tflite"], data=shapes / "test", also_on=["worker-here"], stream=True)


def test_a_worker_that_ends_says_why(variants, tmp_path):
    graph = read_graph(variants / "int8.tflite")
    with pytest.raises(ModelError, match="cannot be started"):
        Remote(Start([str(tmp_path / "python")], "the board"))
    with pytest.raises(ModelError, match=r"(?s)The worker for the worker ended with code 1.*No module named 'nothing'"):
        Remote(start("nothing"))
    with pytest.raises(ModelError, match="the worker refuses it"):
        RemoteModel(start(), variants / "int8.json", graph)
    remote = Remote(start())
    remote._process.kill()
    with pytest.raises(ModelError, match="was ended by signal 9"):
        remote.ask("hello")
    remote.close()


VALUES = st.one_of(
    arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    for dtype in ("bool", "int8", "uint8", "int64", "float16", "float32")
)


@given(st.dictionaries(st.text(max_size=5), st.integers()), st.lists(VALUES, max_size=3))
def test_frames_come_back_as_they_were(header, values):
    header.pop("arrays", None)
    stream = io.BytesIO()
    write_frame(stream, header, values)
    stream.seek(0)
    told, found = read_frame(stream)
    assert told == header
    for one, other in zip(values, found, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(stream.getvalue()[:-1]))


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_frames(content):
    for stream in (content, len(content).to_bytes(4, "big") + content):
        with pytest.raises((EOFError, ValueError)):
            read_frame(io.BytesIO(stream))
