"""Float ``.tflite`` files as sources: quantized by litert-quantizer, in an environment that need not have TensorFlow."""

import copy
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import DATA
from tiny_network import Network

from tflitekit.conversion import convert
from tflitekit.core.errors import DataError, ModelError, UsageError
from tflitekit.engines.ranges import measure_ranges
from tflitekit.engines.samples import Batches
from tflitekit.engines.shared_ranges import shared_ranges
from tflitekit.hardware import check
from tflitekit.options.convert import LoadOptions
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.kinds.tflite import TfliteFile
from tflitekit.source.prepared import Exported
from tflitekit.tflite.flatbuffer import pack, unpack
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

FLOAT = DATA / "converted" / "shapes" / "float32.tflite"
quantizer = pytest.mark.skipif(
    importlib.util.find_spec("litert_quantizer") is None, reason="litert-quantizer is not installed: '.[quantize]'"
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npz"
    rng = np.random.default_rng(0)
    np.savez(path, x=(rng.random((24, 12, 12, 1)) * 255).astype(np.float32), y=rng.integers(0, 3, 24))
    return path


def prepare(path, folder, *, batch=1, signature=None, shapes=None):
    how = LoadOptions(batch=batch, signature=signature, input_shapes=shapes or {})
    return TfliteFile().prepare(path, folder, how, FewSamples())


@pytest.fixture(scope="module")
def made(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    schemes = [
        "float32",
        "float16",
        "dynamic_range",
        "int8",
        "int8:io=int8",
        "int8:io=uint8",
        "int16x8",
        "int16x8:io=int16",
    ]
    schemes += ["weight_only_int8", "weight_only_int4", "dynamic_int4", "int4x8", "int4x8:io=uint8"]
    schemes += [
        "dynamic_int4:rounding=gptq",
        "int4x8:rounding=gptq",
        "weight_only_int4:rounding=gptq",
        "weight_only_int8:rounding=gptq",
        "int8:rounding=gptq",
        "dynamic_range:rounding=gptq",
    ]
    result = convert(FLOAT, out=out, schemes=[*schemes, "int8_float_fallback"], calibration=images)
    assert [v.error for v in result.variants if v.status != "ok"] == []
    return {variant.name: variant for variant in result.variants}


@quantizer
def test_float32_is_the_file_itself(made):
    assert made["float32"].path.read_bytes() == FLOAT.read_bytes()
    assert (made["float32"].engine, made["int8"].engine) == (None, "litert_quantizer")


@quantizer
@pytest.mark.parametrize(
    ("name", "weights", "io", "integers"),
    [
        ("float16", "float16", "float32", False),
        ("dynamic_range", "int8", "float32", False),
        ("int8", "int8", "float32", True),
        ("int8-io-int8", "int8", "int8", True),
        ("int8-io-uint8", "int8", "uint8", True),
        ("int16x8", "int8", "float32", True),
        ("int16x8-io-int16", "int8", "int16", True),
        ("int8_float_fallback", "int8", "float32", True),
        ("weight_only_int8", "int8", "float32", False),
        ("weight_only_int4", "int4", "float32", False),
        ("dynamic_int4", "int4", "float32", False),
        ("int4x8", "int4", "float32", True),
        ("int4x8-io-uint8", "int4", "uint8", True),
        ("dynamic_int4-rounding-gptq", "int4", "float32", False),
        ("int4x8-rounding-gptq", "int4", "float32", True),
        ("weight_only_int4-rounding-gptq", "int4", "float32", False),
        ("weight_only_int8-rounding-gptq", "int8", "float32", False),
        ("int8-rounding-gptq", "int8", "float32", True),
        ("dynamic_range-rounding-gptq", "int8", "float32", False),
    ],
)
def test_schemes_keep_their_promise(made, images, name, weights, io, integers):
    graph = read_graph(made[name].path)
    least = {"int4": 1836, "float16": 7344}.get(
        weights, 3456 if name.startswith("dynamic_range") else 3672
    )  # of 3,672 elements
    assert graph.weight_bytes_by_dtype[weights] >= least
    assert [spec.dtype for spec in (*graph.inputs, *graph.outputs)] == [io, io]
    assert (graph.integer_op_fraction == 1) == integers
    pictures = np.load(images)["x"]
    model, reference = Model(made[name].path), Model(FLOAT)
    errors = [np.abs(model.run([x[None]])[0] - reference.run([x[None]])[0]).max() for x in pictures]
    # A step of int8 in a probability is 1/256; int4 has 16 values per channel.
    assert max(errors) < (0.35 if weights == "int4" else 0.05)


@quantizer
@pytest.mark.parametrize("scheme", ["dynamic_int4", "weight_only_int4"])
def test_better_rounding_is_nearer_to_the_model(made, images, scheme):
    pictures = np.load(images)["x"]
    reference = Model(FLOAT)
    wanted = np.stack([reference.run([x[None]])[0] for x in pictures])
    errors = []
    for name in (scheme, f"{scheme}-rounding-gptq"):
        model = Model(made[name].path)
        errors.append(np.square(np.stack([model.run([x[None]])[0] for x in pictures]) - wanted).mean())
    assert errors[1] < 0.5 * errors[0]
    assert made[scheme].path.stat().st_size == made[f"{scheme}-rounding-gptq"].path.stat().st_size


@quantizer
def test_better_rounding_goes_into_integer_files_too(made):
    nearest, better = (made[name].path.read_bytes() for name in ("int4x8", "int4x8-rounding-gptq"))
    assert nearest != better and len(nearest) == len(better)


@quantizer
def test_better_rounding_needs_samples_and_one_scale_a_channel(tmp_path):
    with pytest.raises(UsageError, match="calibration"):
        convert(FLOAT, out=tmp_path, schemes=["dynamic_int4:rounding=gptq"])
    with pytest.raises(UsageError, match="rounding=gptq uses one scale per channel, and block asks for several"):
        convert(FLOAT, out=tmp_path, schemes=["dynamic_int4:rounding=gptq,block=32"])


@quantizer
def test_the_whole_of_optimize_needs_no_tensorflow(images, tmp_path):
    traps, out = tmp_path / "traps", tmp_path / "out"
    traps.mkdir()
    for module in ("tensorflow", "keras", "tf_keras"):
        (traps / f"{module}.py").write_text("raise SystemExit('TensorFlow was imported')")
    command = [
        "optimize",
        FLOAT,
        "--data",
        images,
        "--calibration",
        images,
        "--scheme",
        "int8",
        "--scheme",
        "float16",
        "--out",
        out,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tflitekit", *map(str, command), "--protocol", "quick"],
        check=False, env=os.environ | {"PYTHONPATH": str(traps)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (out / "report.json").is_file(), done.stderr
    report = json.loads((out / "report.json").read_text())
    assert {v["name"]: v["status"] for v in report["variants"]} == dict.fromkeys(("float32", "float16", "int8"), "ok")
    assert report["source"]["kind"] == "tflite"
    assert "Quantization Ratio" not in done.stdout + done.stderr and "experimental_preserve" not in done.stderr


@quantizer
def test_a_second_run_takes_what_is_finished(images, tmp_path):
    for reused in (False, True):
        (variant,) = convert(FLOAT, out=tmp_path, schemes=["int8"], calibration=images).variants
        assert variant.reused == reused


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("float16", "its weights are float16"),
        ("dynamic_range", "weights in int8, activations in float (dynamic range)"),
        ("int8", "weights and activations in int8 (full integer)"),
        ("int16x8", "weights and activations in int16 and int8 (full integer)"),
    ],
)
def test_a_quantized_file_is_refused_with_what_it_is(name, what, tmp_path):
    path = DATA / "converted" / "shapes" / f"{name}.tflite"
    with pytest.raises(ModelError) as caught:
        prepare(path, tmp_path / "out")
    assert f"{path} is already quantized: {what}." in str(caught.value)
    assert all(verb in caught.value.fix for verb in ("evaluate", "benchmark", "bundle"))


def test_variables_are_refused(tmp_path):
    with pytest.raises(ModelError, match="keeps values in variables"):
        prepare(DATA / "models" / "counter.tflite", tmp_path / "out")


def changed(path, change):
    """Writes the network of two inputs with something else in its flatbuffer."""
    model = unpack((DATA / "converted" / "two_inputs" / "float32.tflite").read_bytes())
    change(model)
    path.write_bytes(pack(model))
    return path


def test_inputs_that_cannot_be_told_apart_are_refused(tmp_path):
    def nameless(model, name):
        model.signatureDefs, graph = None, model.subgraphs[0]
        for index in graph.inputs:
            graph.tensors[index].name = name

    for name in (b"", b"values"):
        path = changed(tmp_path / "two.tflite", lambda model, name=name: nameless(model, name))
        with pytest.raises(
            ModelError, match=f"cannot be told apart by their names: '{name.decode()}', '{name.decode()}'"
        ):
            prepare(path, tmp_path / "out")


def test_several_signatures_are_refused_by_name(tmp_path):
    def twice(model):
        model.signatureDefs = [model.signatureDefs[0], copy.copy(model.signatureDefs[0])]
        model.signatureDefs[1].signatureKey = b"other"

    with pytest.raises(ModelError, match=r"has 2 entry points \(signatures\): serving_default, other"):
        prepare(changed(tmp_path / "two.tflite", twice), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "words"), [("FlexFoo", "needs the TensorFlow operators FlexFoo"), ("Foo", "has the custom operator Foo")]
)
def test_operators_that_the_runtime_lacks_are_refused_by_name(tmp_path, name, words):
    def foreign(model):
        code = model.operatorCodes[model.subgraphs[0].operators[-1].opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = name.encode()

    with pytest.raises(ModelError, match=words):
        prepare(changed(tmp_path / "two.tflite", foreign), tmp_path / "out")


@quantizer
def test_samples_that_do_not_fit_are_refused_in_the_names_of_the_file(tmp_path):
    path = DATA / "converted" / "two_inputs" / "float32.tflite"
    first, second = read_graph(path).inputs
    rows = {spec.name: np.zeros((4, *spec.shape[1:]), np.float32) for spec in (first, second)}
    with pytest.raises(
        DataError, match=f"the data have other, {second.name}; the model takes {first.name}, {second.name}"
    ):
        convert(
            path,
            out=tmp_path,
            schemes=["int8"],
            calibration={"other": rows[first.name], second.name: rows[second.name]},
        )
    with pytest.raises(DataError, match=f"does not fit the model's input '{first.name}'"):
        convert(path, out=tmp_path, schemes=["int8"], calibration=rows | {first.name: np.zeros((4, 99), np.float32)})


def test_open_sizes_are_fixed_by_input_shape(tmp_path):
    path = DATA / "models" / "open.tflite"
    prepared = prepare(path, tmp_path / "open")
    assert prepared.inputs[0].shape == (-1, -1, -1, 3)
    assert "image" in prepared.notes[0] and "--input-shape" in prepared.notes[0]
    assert (tmp_path / "open" / "model.tflite").read_bytes() == path.read_bytes()
    fixed = prepare(path, tmp_path / "fixed", shapes={"": (6, 8, 3)})
    assert fixed.inputs[0].shape == (1, 6, 8, 3) and fixed.notes == ()
    graph = read_graph(tmp_path / "fixed" / "model.tflite")
    assert graph.outputs[0].shape == (1, 4, 6, 1) and not graph.dynamic_tensors
    x = np.random.default_rng(0).random((1, 6, 8, 3), np.float32)
    ours, theirs = Model(tmp_path / "fixed" / "model.tflite").run([x]), Model(path).run([x])
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_fixed_size_stays(tmp_path):
    with pytest.raises(UsageError, match=r"The input 'image' of .* takes \[1, 12, 12, 1\], and --input-shape asks for"):
        prepare(FLOAT, tmp_path / "out", shapes={"image": (8, 8, 1)})


def test_a_signature_that_it_has_not_is_refused(tmp_path):
    with pytest.raises(ModelError, match="has no signature 'other'"):
        prepare(FLOAT, tmp_path / "out", signature="other")


@quantizer
def test_a_loop_cannot_be_calibrated_and_says_so(tmp_path):
    data = tmp_path / "data.npz"
    np.savez(data, x=np.zeros((3, 10, 4), np.float32))
    path = DATA / "converted" / "lstm" / "float32.tflite"
    int8, dynamic = convert(path, out=tmp_path / "out", schemes=["int8", "dynamic_range"], calibration=data).variants
    assert int8.status == "failed" and "cannot calibrate inside WHILE" in int8.error and "unroll=True" in int8.error
    assert dynamic.status == "ok"


@quantizer
def test_weights_left_in_float_are_named(tmp_path):
    net = Network(1, 6, 6, 4)
    table = net.tensor("table", [1, 6, 6, 64], np.ones([1, 6, 6, 64]))
    product = net.add("MUL", [net.conv(net.input, "conv", 64), table], [1, 6, 6, 64], "product", options="MulOptions")
    path = tmp_path / "float.tflite"
    path.write_bytes(net.finish(product))
    (variant,) = convert(path, out=tmp_path / "out", schemes=["dynamic_int4"]).variants
    assert variant.status == "ok"
    assert any(text.startswith("Weights left in float") and "MUL" in text for text in variant.warnings)


@quantizer
def test_what_the_quantizer_raises_names_the_operator(images, tmp_path):
    (variant,) = convert(FLOAT, out=tmp_path, schemes=["dynamic_int4:block=256"]).variants
    assert variant.status == "failed"
    assert "the quantizer failed at FULLY_CONNECTED" in variant.error


def test_the_converter_cannot_make_it_of_a_tflite_file(tmp_path):
    (variant,) = convert(FLOAT, out=tmp_path, schemes=["float16:engine=tflite_converter"]).variants
    assert variant.status == "failed" and "needs TensorFlow's converter" in variant.error


class Pictures:
    def __init__(self, seed):
        self.seed = seed

    def batches(self, batch):
        generator = np.random.default_rng(self.seed)
        return ({"image": generator.random((batch, 12, 12, 1), np.float32)} for _ in range(6))


def test_ranges_are_those_of_the_file_and_the_samples_that_were_measured(tmp_path):
    content, exported = FLOAT.read_bytes(), Exported(tmp_path / "model", "tflite")

    def shared(content, seed):
        return shared_ranges(content, Batches(Pictures(seed), 1), exported), len(list(tmp_path.rglob("*.json")))

    expected = measure_ranges(content, Batches(Pictures(0), 1))
    first, kept = shared(content, 0)
    assert kept == 1
    assert first == expected  # one value each, to the last bit
    assert shared(content, 0) == (expected, 1)
    other, kept = shared(content, 1)
    assert kept == 2
    assert other != expected
    doubled = unpack(content)
    weights = next(b for b in doubled.buffers if b.data is not None and len(b.data) > 200)
    weights.data = (weights.data.view(np.float32) * 2).view(np.uint8)
    found, kept = shared(pack(doubled), 0)
    assert kept == 3
    assert found != expected


@quantizer
def test_hardware_says_what_is_made(images, tmp_path, cli):
    code, _, said = cli("convert", FLOAT, "--deploy-on", "microcontroller", "--calibration", images, "--out", tmp_path)
    assert code == 0, said
    assert sorted(path.name for path in tmp_path.glob("*.tflite")) == ["int16x8-io-int16.tflite", "int8-io-int8.tflite"]
    for path in tmp_path.glob("*.tflite"):
        assert check(path, on="microcontroller").passes
    with pytest.raises(UsageError, match="--scheme and --deploy-on both say what is made"):
        convert(FLOAT, schemes=["int8"], deploy_on="microcontroller", calibration=images, out=tmp_path)
    assert "or --deploy-on with the hardware" in cli("convert", FLOAT, "--out", tmp_path)[2]
