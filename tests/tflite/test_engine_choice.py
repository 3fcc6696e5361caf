"""Which engine makes a scheme's file of a model: a rule that needs neither engine."""

import json

import numpy as np
import pytest
from conftest import DATA
from tiny_network import Network

from tflitekit.conversion import convert
from tflitekit.core.tensor import TensorSpec
from tflitekit.engines.choice import BY_QUANTIZER, INT8_KERNELS, INT16_KERNELS, choose, operators_of, other_engine
from tflitekit.schemes import available, parse_request
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.graph import read_graph

LOOP = DATA / "converted" / "lstm" / "float32.tflite"
TOKENS = DATA / "converted" / "tokens" / "float32.tflite"


def model(*operators, tables=(), shape=(1, 8), form="saved_model"):
    spec = TensorSpec(name="x", shape=shape, dtype="float32")
    return PreparedSource(
        kind="keras", loader="keras", form=form, inputs=(spec,), outputs=(spec,), parameters=1, operators=operators or None,
        float_tables=tables,
    )  # fmt: skip


PLAIN = model("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX")


def test_each_scheme_has_its_engine():
    found = {name: choose(parse_request(name), PLAIN).engine for name in available()}
    by_quantizer = {name for name, engine in found.items() if engine == "litert_quantizer"}
    assert by_quantizer == {*BY_QUANTIZER, *(name for name, one in available().items() if not one.by_converter)}
    assert {"float16", "dynamic_range", "int16x8", "dynamic_int4"} <= by_quantizer
    assert set(found.values()) == {"litert_quantizer", "tflite_converter"}


@pytest.mark.parametrize(
    ("source", "scheme", "why"),
    [
        (model("CONV_2D", "WHILE"), "int16x8", "cannot calibrate inside WHILE"),
        (model("CONV_2D", "LEAKY_RELU"), "int16x8", "leaves LEAKY_RELU in float"),
        (model("CONV_3D", tables=("CONV_3D", "GATHER")), "dynamic_range", "leaves the weights of CONV_3D in float"),
        (model("CONV_3D", tables=("CONV_3D",)), "float16", "leaves the weights of CONV_3D in float"),
        (model("ADD", "FlexBincount"), "float16", "does not know FlexBincount"),
        (model(), "float16", "could not be made"),
    ],
)
def test_the_converter_takes_what_the_quantizer_cannot(source, scheme, why):
    engine, reason = choose(parse_request(scheme), source)
    assert (engine, why in reason) == ("tflite_converter", True)
    asked = choose(parse_request(f"{scheme}:engine=litert_quantizer"), source)
    assert asked == ("litert_quantizer", "asked for by engine=litert_quantizer")


def test_the_quantizer_takes_the_rest():
    for source, scheme in (
        (model("CONV_2D", "WHILE", "LEAKY_RELU"), "dynamic_range"),
        (model("CONV_2D", shape=(1, -1, -1, 3)), "int16x8"),
        (model("GATHER", tables=("GATHER",)), "int16x8"),
        (model("GATHER", tables=("GATHER",)), "dynamic_range"),
        (model("NEG", "SQUARED_DIFFERENCE"), "int16x8"),
    ):
        assert choose(parse_request(scheme), source) == ("litert_quantizer", "the default of the scheme")


def test_options_choose_the_other():
    assert choose(parse_request("float16:engine=tflite_converter"), PLAIN).engine == "tflite_converter"
    assert choose(parse_request("int8:engine=litert_quantizer"), PLAIN).engine == "litert_quantizer"
    assert choose(parse_request("int8:rounding=gptq"), PLAIN) == ("litert_quantizer", "asked for by rounding=gptq")
    file = model(form="tflite")
    assert choose(parse_request("int8"), file).engine == "litert_quantizer"
    assert choose(parse_request("int8:engine=tflite_converter"), file).engine is None


def test_what_stands_in_the_float_file():
    assert operators_of(LOOP)["float_tables"] == ()  # its weights are those of FULLY_CONNECTED
    assert "WHILE" in operators_of(LOOP)["operators"]
    assert operators_of(TOKENS) == {"operators": ("FULLY_CONNECTED", "GATHER", "LOGISTIC", "MEAN"), "float_tables": ()}


def test_large_constants_that_are_no_weights_are_tables(tmp_path):
    net = Network(1, 6, 6, 4)
    scales = net.tensor("scales", [1, 6, 6, 64], np.ones([1, 6, 6, 64]))
    path = tmp_path / "float.tflite"
    path.write_bytes(
        net.finish(
            net.add("MUL", [net.conv(net.input, "conv", 64), scales], [1, 6, 6, 64], "product", options="MulOptions")
        )
    )
    assert operators_of(path)["float_tables"] == ("MUL",)


@pytest.mark.parametrize(("config", "kernels"), [("static_wi8_ai16", INT16_KERNELS), ("static_wi8_ai8", INT8_KERNELS)])
def test_the_tables_of_integer_kernels_are_the_quantizers(config, kernels):
    policy = pytest.importorskip("litert_quantizer.default_policy", reason="needs litert-quantizer: '.[quantize]'")
    listed = set(json.loads(policy.DEFAULT_JSON_POLICY)["ops_per_config"][config]) - {"INPUT", "OUTPUT"}
    assert {"TRANSPOSE_CONV" if name == "CONV_2D_TRANSPOSE" else name for name in listed} == kernels


def test_where_the_other_engine_helps_it_is_named():
    said = "Try int8:engine=litert_quantizer, which gives them integers."
    assert other_engine(parse_request("int8"), model("FULLY_CONNECTED", "NEG")) == said
    for scheme, source in (
        ("int8", model("FULLY_CONNECTED", "TILE")),
        ("int8", model("NEG", form="tflite")),
        ("int8:engine=litert_quantizer", model("NEG")),
        ("float16", model("NEG")),
        ("qat", model("NEG")),
    ):
        assert other_engine(parse_request(scheme), source) is None


def test_small_weights_in_a_loop_stay_float_too(tmp_path):
    pytest.importorskip("litert_quantizer", reason="needs litert-quantizer: '.[quantize]'")
    (made,) = convert(LOOP, schemes=["dynamic_range"], out=tmp_path).variants
    assert made.error is None
    assert "int8" not in read_graph(made.path).weight_bytes_by_dtype
