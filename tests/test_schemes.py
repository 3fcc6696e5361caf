"""Every scheme of the registry: converts, keeps its promise, and stays close to the float model."""

import json

import numpy as np
import pytest
from conftest import shape_arrays

from tflitekit.build import _check_promise
from tflitekit.conversion import convert
from tflitekit.errors import ConversionError, UsageError
from tflitekit.files import content_hash
from tflitekit.graph import read_graph
from tflitekit.runtime import Model
from tflitekit.schemes import Promise, available, find, parse_request
from tflitekit.source import PreparedSource

# Largest difference of any class probability on the test pictures. Rounding float32 (and float16 weights) moves it by
# less than a thousandth; int8 weights by hundredths; int8 activations too, in steps of 1/256 at the output.
TOLERANCE = {
    "float32": 1e-6,
    "float16": 5e-3,
    "dynamic_range": 0.12,
    "int8": 0.2,
    "int8_float_fallback": 0.2,
    "int16x8": 0.1,
}


@pytest.mark.convert
@pytest.mark.parametrize("name", available())
def test_scheme_keeps_its_promise_and_stays_close_to_float(variants, name):
    images, labels = shape_arrays(90, seed=9)
    baseline, model = Model(variants / "float32.tflite"), Model(variants / f"{name}.tflite")
    expected = np.concatenate([baseline.run([image[None]])[0] for image in images])
    found = np.concatenate([model.run([image[None]])[0] for image in images])
    assert np.abs(found - expected).max() <= TOLERANCE[name]
    assert np.mean(expected.argmax(1) == labels) > 0.9  # the model is a real one
    graph, promise = read_graph(variants / f"{name}.tflite"), find(name).promise(find(name).defaults)
    assert {spec.dtype for spec in graph.inputs + graph.outputs} == {promise.io}
    if promise.integer_only:
        assert graph.integer_op_fraction == 1.0
    sidecar = json.loads((variants / f"{name}.json").read_text())
    assert sidecar["sha256"] == content_hash(variants / f"{name}.tflite")
    assert sidecar["contract"]["preprocessing"]["name"] == "raw"
    assert sidecar["scheme"] == name


@pytest.mark.convert
def test_integer_io_and_sizes(variants):
    sizes = {path.stem: path.stat().st_size for path in variants.glob("*.tflite")}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]
    graph = read_graph(variants / "int8-io-uint8.tflite")
    assert {spec.dtype for spec in graph.inputs + graph.outputs} == {"uint8"}
    image, _ = shape_arrays(3, seed=4)
    one, two = Model(variants / "int8-io-uint8.tflite"), Model(variants / "int8.tflite")
    assert one.run([image[:1]])[0] == pytest.approx(two.run([image[:1]])[0], abs=1 / 128)


@pytest.mark.convert
def test_missing_calibration_data_is_an_error_that_says_how(models, tmp_path, cli):
    with pytest.raises(UsageError, match=r"(?s)int8, int16x8 need calibration data.*--calibration"):
        convert(models / "shapes.keras", schemes=["float32", "int8", "int16x8"], out=tmp_path)
    code, _, err = cli("convert", models / "shapes.keras", "--scheme", "int8", "--out", tmp_path)
    assert code == 2
    assert "--calibration" in err


@pytest.mark.convert
def test_bad_calibration_values_name_the_sample(models, tmp_path):
    x = np.zeros((5, 12, 12, 1), np.float32)
    x[3, 0, 0, 0] = np.inf
    from tflitekit.errors import DataError

    with pytest.raises(DataError, match="'row 3' has NaN or infinite values in the input 'image'"):
        convert(models / "shapes.keras", schemes=["int8"], calibration={"x": x}, out=tmp_path)


@pytest.mark.convert
def test_an_untrue_label_is_refused(variants):
    source = PreparedSource(
        kind="keras", loader="keras", parameters=1,
        inputs=read_graph(variants / "float32.tflite").inputs, outputs=read_graph(variants / "float32.tflite").outputs,
    )  # fmt: skip
    graph = read_graph(variants / "dynamic_range.tflite")
    with pytest.raises(ConversionError, match=r"promised integers only.*CONV_2D"):
        _check_promise("int8", Promise(weights="int8", integer_only=True), graph, source, False)
    with pytest.raises(ConversionError, match="promised uint8 for 'image'"):
        _check_promise("int8", Promise(io="uint8"), graph, source, False)


def test_requests():
    assert parse_request("int8").name == "int8"
    assert parse_request("int8:io=uint8").name == "int8-io-uint8"
    assert parse_request("int8:io=float32").name == "int8"
    for text, word in (
        ("int9", "no scheme 'int9'"),
        ("int8:oi=uint8", "no option 'oi'"),
        ("int8:io=int4", "float32 or int8 or uint8"),
        ("float16:io=int8", "none"),
    ):
        with pytest.raises(UsageError, match=word):
            parse_request(text)


def test_lists_of_schemes_on_the_command_line():
    from tflitekit.cli.shared import split_schemes

    assert split_schemes(["float32,int8:io=uint8,x=y", "float16"]) == ["float32", "int8:io=uint8,x=y", "float16"]
    assert split_schemes(["int8:io=uint8,float16"]) == ["int8:io=uint8", "float16"]


def test_schemes_document_themselves(cli):
    for scheme in available().values():
        assert scheme.summary.endswith(".")
        assert scheme.needs in ("nothing", "calibration", "training")
    code, out, _ = cli("schemes", "--json")
    assert code == 0
    listed = {entry["name"]: entry for entry in json.loads(out)}
    assert set(listed) == set(available())
    assert listed["int8"]["options"] == {"io": ["float32", "int8", "uint8"]}
