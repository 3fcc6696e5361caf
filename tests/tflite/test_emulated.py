"""Files on an emulated ARM64 processor and an emulated GPU, for real: kernels of aarch64 under QEMU, and the runtime's GPU accelerator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ready_environment import ready

import tflitekit as tk
from tflitekit.core.errors import MissingDependencyError, ModelError
from tflitekit.environments import environment
from tflitekit.environments.known.gpu import GPU
from tflitekit.targets import open_target
from tflitekit.targets.float16 import beyond_float16
from tflitekit.tflite.flatbuffer import pack, unpack
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

DATA = Path(__file__).parents[1] / "data"
CONVERTED = DATA / "converted"


@pytest.fixture
def arm64():
    ready("arm64")
    with open_target("arm64-emulated") as target:
        yield target


@pytest.fixture
def gpu():
    ready("gpu")
    with open_target("gpu-emulated") as target:
        yield target


def on_both(target, path, samples=3):
    """Returns by output what the target and this host compute."""
    graph, host, generator = read_graph(path), Model(path), np.random.default_rng(3)
    columns = [generator.random((samples, *spec.shape[1:]), np.float32) for spec in graph.inputs]
    model = target.model(path, graph=graph)
    try:
        there = model.run(columns)
    finally:
        model.close()
    here = [host.run([column[i : i + 1] for column in columns]) for i in range(samples)]
    return there, [np.concatenate(outputs) for outputs in zip(*here, strict=True)]


def test_int8_on_arm64_is_what_it_is_here(arm64, variants, shapes):
    found = tk.evaluate([variants / "int8.tflite"], data=shapes / "test", also_on=["arm64-emulated"], jobs=1)
    (there,) = found.variants[0].on_targets
    assert (there.provenance, there.samples, there.refused) == ("emulated", 120, None)
    assert there.machine["cpu"] == "cortex-a76"
    assert there.identical == 120
    assert "measures latency" not in arm64.abilities


def test_float_on_arm64_differs_in_the_last_bits_only(arm64):
    there, here = on_both(arm64, CONVERTED / "two_inputs" / "float32.tflite")
    for one, other in zip(there, here, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)  # the same sums in another order


def test_a_gpu_computes_int8_in_floating_point(gpu, variants, shapes):
    found = tk.evaluate([variants / "int8.tflite"], data=shapes / "test", also_on=["gpu-emulated"], jobs=1)
    (there,) = found.variants[0].on_targets
    assert (there.provenance, there.samples, there.refused) == ("emulated", 120, None)
    assert there.examination.accelerated == 1.0
    assert there.examination.configuration == "SwiftShader Device (Subzero)"
    assert [one.layer for one in there.examination.placements if one.op == "CONV_2D"] == ["conv1", "conv2"]
    assert "overflow of float16" in there.examination.notes[-1]
    assert abs(there.drop_from_host.value) < 0.05


def test_what_a_gpu_leaves_has_the_users_names(gpu):
    path = CONVERTED / "tokens" / "float32.tflite"
    found = gpu.examine(path, graph=read_graph(path))
    assert [(one.op, one.where) for one in found.placements[2:5]] == [
        ("SELECT", "GPU"),
        ("GATHER", "CPU"),
        ("MEAN", "CPU"),
    ]
    assert (found.placements[3].layer, found.placements[3].why) == ("embedding", "Only support 1D indices")
    assert found.notes[0].startswith(
        "3 of 7 operators of float32.tflite run on the GPU. Which of 2 parts of equal size"
    )
    there, here = on_both(gpu, CONVERTED / "two_inputs" / "float32.tflite")
    for one, other in zip(there, here, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)  # another order of sums


def test_a_recurrent_model_is_refused_by_the_gpu_in_the_runtimes_words(gpu):
    path = DATA / "models" / "fused_lstm.tflite"
    with pytest.raises(ModelError, match=r"refuses fused_lstm\.tflite\.\nVariable tensors not yet supported") as error:
        gpu.examine(path, graph=read_graph(path))
    assert "gpu" in str(error.value).lower()


def test_without_their_environments_targets_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path)
    monkeypatch.setitem(vars(GPU), "system", tmp_path)
    for name, command in (("arm64-emulated", "tflitekit setup arm64"), ("gpu-emulated", "tflitekit setup gpu")):
        with (
            pytest.raises(MissingDependencyError, match=f"The target {name} needs the environment") as error,
            open_target(name),
        ):
            pass
        assert command in error.value.fix and "missing" in error.value.what


def test_values_beyond_float16_stand_in_the_file(variants, tmp_path):
    assert beyond_float16(variants / "int8.tflite") == beyond_float16(variants / "float32.tflite") == []
    model = unpack((variants / "int8.tflite").read_bytes())
    name = b"shapes_1/conv2_1/Relu;shapes_1/conv2_1/BiasAdd;shapes_1/conv2_1/convolution;shapes_1/conv2_1/Squeeze1"
    tensor = next(one for one in model.subgraphs[0].tensors if one.name == name)
    tensor.quantization.scale = [300.0]
    (tmp_path / "wide.tflite").write_bytes(pack(model))
    assert beyond_float16(tmp_path / "wide.tflite") == [name.decode()]
