"""Reading .tflite files: facts checked against the interpreter, damage reported as such."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import direct_schemes, run_json
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import Network

from tflitekit.core.errors import ModelError
from tflitekit.tflite.flatbuffer import pack, unpack
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.op_versions import MINIMUM_RUNTIME, minimum_runtime_version, version_key


@pytest.mark.parametrize("name", [*direct_schemes(), "int8-io-uint8"])
def test_inputs_and_outputs_agree_with_the_interpreter(file_of, name):
    graph = read_graph(file_of(name))
    interpreter = Interpreter(model_path=str(file_of(name)))
    for ours, theirs in (
        (graph.inputs, interpreter.get_input_details()),
        (graph.outputs, interpreter.get_output_details()),
    ):
        for spec, detail in zip(ours, theirs, strict=True):
            assert spec.shape == tuple(detail["shape"])
            assert np.dtype(spec.dtype) == detail["dtype"]
            scale, zero_point = detail["quantization"]
            if scale:
                assert spec.quantization.scale[0] == pytest.approx(scale)
                assert spec.quantization.zero_point[0] == zero_point
    assert graph.inputs[0].name == "image"
    assert graph.outputs[0].name == "shape"
    assert sum(graph.bytes_by_kind.values()) == graph.size_bytes == file_of(name).stat().st_size


def test_census(variants):
    graph = read_graph(variants / "int8.tflite")
    convolutions = next(op for op in graph.ops if op.name == "CONV_2D")
    assert (convolutions.count, convolutions.compute) == (2, "int8")
    assert graph.integer_op_fraction == 1.0
    assert graph.output_meanings == ("probabilities",)
    assert read_graph(variants / "float32.tflite").integer_op_fraction == 0.0
    assert any(op.compute == "hybrid" for op in read_graph(variants / "dynamic_range.tflite").ops)
    weights = read_graph(variants / "float16.tflite").weight_bytes_by_dtype
    assert weights["float16"] > weights.get("float32", 0)
    float32 = read_graph(variants / "float32.tflite")
    assert float32.parameters == pytest.approx(9 * 16 + 16 + 9 * 16 * 24 + 24 + 24 * 3 + 3, abs=3)


@pytest.mark.parametrize("name", direct_schemes())
def test_minimum_runtime_is_at_least_what_the_converter_recorded(file_of, name):
    graph = read_graph(file_of(name))
    assert graph.recorded_min_runtime_version
    assert version_key(graph.min_runtime_version) >= version_key(graph.recorded_min_runtime_version)
    assert graph.unknown_op_versions == ()


def test_a_dense_layer_with_a_scale_a_channel_needs_more_than_its_operator_version_says(variants):
    int8 = read_graph(variants / "int8.tflite")
    assert max(version_key(MINIMUM_RUNTIME[op.name][op.version]) for op in int8.ops) < version_key("2.14.0")
    assert int8.min_runtime_version == "2.14.0"
    assert version_key(read_graph(variants / "float32.tflite").min_runtime_version) < version_key("2.14.0")


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("float16", "1.15.0"), ("int16x8", "2.3.0"), ("dynamic_int4", "2.11.0"), ("weight_only_int4", "2.18.0"), ("weight_only_int8", "2.7.0"),
    ],
)  # fmt: skip
def test_types_need_operator_versions_that_files_state_and_that_are_known_without(file_of, tmp_path, name, least):
    graph = read_graph(file_of(name))
    stated = max(version_key(MINIMUM_RUNTIME[op.name][op.version]) for op in graph.ops)
    assert version_key(least) <= stated <= version_key(graph.min_runtime_version)
    model = unpack(file_of(name).read_bytes())
    for code in model.operatorCodes:
        code.version = 1  # as litert-quantizer leaves them
    silent = tmp_path / "silent.tflite"
    silent.write_bytes(pack(model))
    assert read_graph(silent).min_runtime_version == graph.min_runtime_version


def test_op_version_table():
    assert minimum_runtime_version([("CONV_2D", 3), ("FULLY_CONNECTED", 12)]) == ("2.17.0", [])
    assert minimum_runtime_version([("CONV_2D", 99), ("ADD", 1)]) == ("1.5.0", [("CONV_2D", 99)])
    assert version_key("1.14.0") > version_key("1.5.0")
    for name, versions in MINIMUM_RUNTIME.items():
        assert versions, name
        assert all(number >= 1 and len(version_key(text)) == 3 for number, text in versions.items())


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(ModelError, match=r"There is no file .*none\.tflite"):
        read_graph(tmp_path / "none.tflite")
    with pytest.raises(ModelError, match="is a folder"):
        read_graph(tmp_path)
    path = tmp_path / "x.tflite"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        read_graph(path)


@settings(max_examples=60)
@given(share=st.floats(0.0, 0.999))
def test_truncated_files_are_refused(variants, tmp_path, share):
    content = (variants / "int8.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError):
        read_graph(path)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(8, 30_000), st.integers(0, 255)), min_size=1, max_size=40))
def test_garbled_files_are_read_or_refused_but_never_crash(variants, tmp_path, changes):
    content = bytearray((variants / "int8.tflite").read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path / "garbled.tflite"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):  # anything else fails the test
        assert read_graph(path).size_bytes == len(content)


def test_inspect_command(variants, cli):
    code, out, _ = cli("inspect", variants / "int8.tflite")
    assert code == 0
    assert "CONV_2D" in out
    assert "TensorFlow Lite" in out
    found = run_json(cli("inspect", variants / "int8-io-uint8.tflite", "--json"))
    assert found["inputs"][0]["dtype"] == "uint8"
    assert found["inputs"][0]["quantization"]["scale"]
    assert found["signatures"][0]["inputs"] == ["image"]
    code, out, err = cli("inspect", Path(__file__), "--json")
    assert code == 2
    assert json.loads(out)["error"]["type"] == "ModelError"
    assert "TFL3" in err


@pytest.mark.parametrize(
    ("kinds", "meaning"), [(("LOGISTIC", "LOGISTIC"), "probabilities"), (("LOGISTIC", "RELU"), "values")]
)
def test_scores_of_several_heads_are_probabilities_where_all_of_them_are(tmp_path, kinds, meaning):
    network = Network(1, 4, 4, 3)
    heads = []
    for number, kind in enumerate(kinds):
        scores = network.conv(network.input, f"head{number}", 2, activation="NONE")
        heads.append(
            network.reshape(network.add(kind, [scores], [1, 4, 4, 2], f"scores{number}"), f"rows{number}", 1, 16, 2)
        )
    (tmp_path / "heads.tflite").write_bytes(network.finish(network.concatenate(*heads, "scores", axis=1)))
    assert read_graph(tmp_path / "heads.tflite").output_meanings == (meaning,)
