"""Operators that the runtime lacks have the names of the user's layers and functions."""

import pytest

from tflitekit.core.errors import ConversionError
from tflitekit.engines import op_advice
from tflitekit.engines.variants import _check_promise, _warnings, convert
from tflitekit.schemes import Promise, parse_request
from tflitekit.source.keras_export import export_model
from tflitekit.source.prepared import Exported
from tflitekit.tflite.graph import read_graph


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Returns a function that exports and converts a model object in this process, or says why it does not convert."""

    def run(inputs, outputs):
        keras = pytest.importorskip("keras")
        folder = tmp_path_factory.mktemp("model")
        source = export_model(keras.Model(inputs, outputs), folder / "saved", batch=1, input_shapes={})
        exported = Exported(folder / "saved")
        made = convert(parse_request("float32"), exported, source, None, allow_select_tf_ops=False)
        (folder / "a.tflite").write_bytes(made.content)
        return source, read_graph(folder / "a.tflite")

    return run


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
    said = " ".join(_warnings(parse_request("int8_float_fallback"), Promise(), graph, source))
    assert "SPLIT (layer 'split')" in said
    assert "A WHILE loop is left of my_gru" in said
    assert "unroll=True" in said
    assert [name.split("/")[1] for name in source.loops] == ["my_gru_1"]
    assert not [op for op in keras.Model(inside, ops.sin(inside)).operations if "call" in vars(op)]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda k, x: k.ops.argmax(x, axis=-1), r"BitwiseAnd \(layer 'argmax'\).*comes from ops\.argmax"),
        (
            lambda k, x: k.layers.UpSampling2D(interpolation="bicubic", name="up")(x),
            r"ResizeBicubic \(layer 'up'\).*instead: interpolation='bilinear'",
        ),
        (lambda k, x: k.ops.linalg.inv(x[..., :3, :3, 0]), r"MatrixInverse \(layer 'inv'\).*outside the model"),
    ],
)
def test_operators_that_do_not_exist_name_the_layer(converted, build, words):
    keras = pytest.importorskip("keras")
    image = keras.Input((4, 4, 3))
    with pytest.raises(ConversionError, match=f"(?s){words}.*--allow-select-tf-ops"):
        converted(image, build(keras, image))
