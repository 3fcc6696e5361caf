"""Operators that nobody wrote are named with the user's layer, and with what to write instead."""

from dataclasses import replace
from pathlib import Path

import pytest

from tflitekit.core.errors import ConversionError, CrashError
from tflitekit.engines import op_advice
from tflitekit.engines.build import _check_promise, _warnings, convert
from tflitekit.engines.tflite_converter import explain
from tflitekit.schemes import Promise, parse_request
from tflitekit.source.keras_export import export_model
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.graph import read_graph


def test_table_has_no_name_that_its_own_lookup_misses():
    assert [name for name in op_advice._ORIGINS if op_advice._key(name) != name] == []


def test_each_origin_is_said_once():
    text = op_advice.advise(["STRING_LOWER", "FlexStringSplitV2", "tf.StaticRegexReplace", "CONV_2D"])
    assert text.startswith("STRING_LOWER and others come from TextVectorization; instead: ")
    assert text.count("TextVectorization;") == 1
    assert op_advice.advise(["ELU"]) == "ELU comes from activation='elu'; instead: relu, leaky_relu or hard_silu."
    assert op_advice.advise(["CONV_2D"]) == ""


def test_a_crash_on_a_loop_says_what_converts():
    error = CrashError("int8: the process was killed by SIGSEGV.", fix="Wait.")
    said = op_advice.on_a_loop(error, ["functional_1/my_gru_1/while"], ["x", "my_gru", "scores"])
    assert "recurrent layer (layer 'my_gru')" in said.what
    assert "unroll=True" in said.fix
    assert op_advice.on_a_loop(error, [], ["my_gru"]) is error


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Returns a function that exports and converts a model object in this process, or says why it does not convert."""

    def run(inputs, outputs):
        keras = pytest.importorskip("keras")
        folder = tmp_path_factory.mktemp("model")
        source = export_model(keras.Model(inputs, outputs), folder / "saved", batch=1, input_shapes={})
        (folder / "a.tflite").write_bytes(
            convert(parse_request("float32"), Exported(folder / "saved"), source, None, allow_select_tf_ops=False)
        )
        return source, read_graph(folder / "a.tflite")

    return run


@pytest.mark.convert
def test_operators_of_functions_have_their_names(converted):
    """Layers, functions, and both inside of a model inside of the model."""
    keras = pytest.importorskip("keras")
    layers, ops = keras.layers, keras.ops
    inside = keras.Input((6, 6, 4))
    inner = keras.Model(inside, ops.sin(layers.Activation("elu", name="act")(inside)), name="inner")
    image = keras.Input((8, 8, 3), name="image")
    first, second = ops.split(-layers.Conv2D(8, 3, name="conv")(image), 2, axis=-1)
    steps = layers.Reshape((36, 4))(inner(first) + second)
    source, graph = converted(image, layers.Dense(3, name="scores")(layers.GRU(4, name="my_gru")(steps)))
    found = op_advice.of_graph(graph, ["NEG", "SPLIT", "ELU", "SIN"], source.layers)
    assert found == {"NEG": ["negative"], "SPLIT": ["split"], "ELU": ["act"], "SIN": ["sin"]}
    with pytest.raises(
        ConversionError, match=r"(?s)ELU \(layer 'act'\).*NEG comes from a minus sign.*int8_float_fallback"
    ):
        _check_promise(parse_request("int8"), Promise(integer_only=True), graph, source, False)
    said = " ".join(_warnings(parse_request("int8_float_fallback"), Promise(), graph, source.layers))
    assert "SPLIT (layer 'split')" in said
    assert "A WHILE loop is left of my_gru" in said
    assert "unroll=True" in said
    assert [name.split("/")[1] for name in source.loops] == ["my_gru_1"]
    assert not [op for op in keras.Model(inside, ops.sin(inside)).operations if "call" in vars(op)]


@pytest.mark.convert
@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda k, x: k.ops.argmax(x, axis=-1), r"BitwiseAnd \(layer 'argmax'\).*comes from ops\.argmax"),
        (
            lambda k, x: k.layers.UpSampling2D(interpolation="bicubic", name="up")(x),
            r"ResizeBicubic \(layer 'up'\).*instead: interpolation='bilinear'",
        ),
        (lambda k, x: k.ops.linalg.inv(x[..., :3, :3, 0]), r"MatrixInverse \(layer 'inv'\).*outside of the model"),
    ],
)
def test_operators_that_do_not_exist_name_the_layer(converted, build, words):
    keras = pytest.importorskip("keras")
    image = keras.Input((4, 4, 3))
    with pytest.raises(ConversionError, match=f"(?s){words}.*--allow-select-tf-ops"):
        converted(image, build(keras, image))


def test_a_loop_with_an_open_batch_is_named_with_what_to_do():
    text = (
        '<unknown>:0: error: loc(callsite(fused["TensorListReserve:", "TensorArrayV2_1@__inference_standard_gru_167"] at '
        'callsite(fused["PartitionedCall:", "sequential/encoder/PartitionedCall@__inference_9"] at unknown))): '
        "'tf.TensorListReserve' op requires element_shape to be static during TF Lite transformation pass"
    )
    error = explain(parse_request("float32"), RuntimeError(text), False)
    assert "a loop (layer 'encoder')" in error.what
    assert "batch_size=1" in (error.fix or "")


@pytest.mark.parametrize(
    ("changes", "form", "message"),
    [
        (
            {"takes": ("tflite",)},
            "saved_model",
            "int8: the scheme takes a .tflite file, and the model was exported as a SavedModel.",
        ),
        ({}, "tflite", "int8: the scheme takes a SavedModel, and the model was exported as a .tflite file."),
        ({"engine": "none"}, "saved_model", "int8: there is no engine 'none'."),
    ],
)
def test_what_a_scheme_does_not_take_is_refused(changes, form, message):
    asked = parse_request("int8")
    request = replace(asked, scheme=replace(asked.scheme, **changes))
    source = PreparedSource(kind="keras", loader="keras", form=form, inputs=(), outputs=(), parameters=0)
    with pytest.raises(ConversionError) as raised:
        convert(request, Exported(Path("saved"), form), source, None, allow_select_tf_ops=False)
    assert raised.value.what == message
