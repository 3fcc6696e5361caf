"""Operators that nobody wrote are named with the user's layer, and with what to write instead."""

from pathlib import Path

import pytest

from tflitekit.core.errors import ConversionError, CrashError
from tflitekit.engines import op_advice
from tflitekit.engines.tflite_converter import explain
from tflitekit.engines.variants import convert
from tflitekit.schemes import parse_request
from tflitekit.source.prepared import Exported, PreparedSource


def test_table_has_no_name_that_its_own_lookup_misses():
    assert [name for name in op_advice._ORIGINS if op_advice._key(name) != name] == []


def test_each_origin_is_said_once():
    text = op_advice.advise(["STRING_LOWER", "FlexStringSplitV2", "tf.StaticRegexReplace", "CONV_2D"], "keras")
    assert text.startswith("STRING_LOWER and others come from TextVectorization; instead: ")
    assert text.count("TextVectorization;") == 1
    assert (
        op_advice.advise(["ELU"], "keras") == "ELU comes from activation='elu'; instead: relu, leaky_relu or hard_silu."
    )
    assert op_advice.advise(["CONV_2D"], "keras") == ""


@pytest.mark.parametrize("kind", ["onnx", "torch", "tflite"])
def test_other_frameworks_are_not_told_of_keras(kind):
    told = op_advice.advise(op_advice._ORIGINS, kind) + op_advice.without_loop(kind)
    assert "Instead of neg: x * -1.0" in told
    assert "nn.LSTMCell" in told
    assert [
        word
        for word in ("ops.", "Dense", "Embedding", "LayerNormalization", "TextVectorization", "set_weights")
        if word in told
    ] == []
    assert ("unroll=True" in told) == (kind == "tflite")  # whose origin is not known


def test_a_crash_on_a_loop_says_what_converts():
    error = CrashError("int8: the process was killed by SIGSEGV.", fix="Wait.")
    said = op_advice.on_a_loop(error, ["functional_1/my_gru_1/while"], ["x", "my_gru", "scores"])
    assert "recurrent layer (layer 'my_gru')" in said.what
    assert "unroll=True" in said.fix
    assert op_advice.on_a_loop(error, [], ["my_gru"]) is error


def test_a_loop_with_an_open_batch_is_named_with_what_to_do():
    text = (
        '<unknown>:0: error: loc(callsite(fused["TensorListReserve:", "TensorArrayV2_1@__inference_standard_gru_167"] at '
        'callsite(fused["PartitionedCall:", "sequential/encoder/PartitionedCall@__inference_9"] at unknown))): '
        "'tf.TensorListReserve' op requires element_shape to be static during TF Lite transformation pass"
    )
    error = explain(parse_request("float32"), RuntimeError(text), False)
    assert "a loop (layer 'encoder')" in error.what
    assert "batch_size=1" in (error.fix or "")


def test_what_only_the_converter_makes_is_refused_for_a_tflite_file():
    source = PreparedSource(kind="tflite", loader="tflite", form="tflite", inputs=(), outputs=(), parameters=0)
    exported = Exported(Path("saved"), "tflite")
    with pytest.raises(ConversionError) as raised:
        convert(parse_request("finetuned"), exported, source, None, allow_select_tf_ops=False)
    assert raised.value.what.startswith("finetuned: the scheme needs TensorFlow's converter")
