"""Models that keep values between inferences: every sample begins at the initial state, unless samples are a stream."""

import copy

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from conftest import run_json

from tflitekit import bundle, evaluate
from tflitekit.accuracy.lints.float16 import largest_values
from tflitekit.core.errors import BundleError, UsageError
from tflitekit.tflite.graph import parse_graph, read_graph

KINDS = {"counter": (2,), "fused_lstm": (5, 2)}


def samples_of(kind, count=40):
    return np.random.default_rng(1).normal(size=(count, *KINDS[kind])).astype(np.float32)


def plain(path, samples, *, anew):
    """What the runtime alone gives, loaded anew for each sample or once for all."""
    outputs, interpreter = [], None
    for sample in samples:
        if interpreter is None or anew:
            interpreter = Interpreter(model_path=str(path))
            interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(outputs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_state_goes_from_sample_to_sample_in_a_stream_only(models, kind, stream):
    path, samples = models / f"{kind}.tflite", samples_of(kind)
    apart, together = plain(path, samples, anew=True), plain(path, samples, anew=False)
    assert np.abs(apart - together).max() > 0.01
    found = evaluate([path], data=(samples, together if stream else apart), stream=stream, jobs=2)
    assert found.variants[0].accuracy.value == pytest.approx(0, abs=1e-6)  # the mean error
    assert found.dataset.stream is stream
    assert [w.kind for w in found.warnings if w.kind == "stream"] == ["stream"] * stream


def test_a_stream_is_not_torn_apart(models, cli, tmp_path):
    path, samples = models / "counter.tflite", samples_of("counter")
    targets = plain(path, samples, anew=False)
    np.savez(tmp_path / "stream.npz", x=samples, y=targets)
    arguments = ("evaluate", path, "--data", tmp_path / "stream.npz", "--json")
    assert run_json(cli(*arguments, "--stream"))["variants"][0]["accuracy"]["value"] == pytest.approx(0, abs=1e-5)
    assert run_json(cli(*arguments))["variants"][0]["accuracy"]["value"] > 0.1
    for option in ({"limit": 5}, {"until_certain": True}):
        with pytest.raises(UsageError, match="would break up a stream"):
            evaluate([path], data=(samples, targets), stream=True, **option)


def test_which_state_the_runtime_can_reset(models):
    def edited(name, edit):
        model = schema.ModelT.InitFromPackedBuf((models / name).read_bytes())
        edit(model)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return parse_graph(bytes(builder.Output()), name)

    def into_an_inner_graph(model):
        model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
        for tensor in model.subgraphs[0].tensors:
            tensor.isVariable = False

    def never_assign(model):
        codes = [code.builtinCode for code in model.operatorCodes]
        main = model.subgraphs[0]
        main.operators = [o for o in main.operators if codes[o.opcodeIndex] != schema.BuiltinOperator.ASSIGN_VARIABLE]

    states = {
        "variable tensors": read_graph(models / "fused_lstm.tflite"),
        "variables": read_graph(models / "counter.tflite"),
        "variable tensors of a loop": edited("fused_lstm.tflite", into_an_inner_graph),
        "variables with a first value only": edited("counter.tflite", never_assign),
    }
    assert {name: (graph.keeps_state, graph.resettable) for name, graph in states.items()} == {
        "variable tensors": (True, True),
        "variables": (True, False),
        "variable tensors of a loop": (True, False),
        "variables with a first value only": (False, True),
    }


def test_lints_begin_each_sample_anew(models, tmp_path):
    samples = np.full((3, 1, 2), 40_000, np.float32)  # the counter passes 65,504 only if it goes on
    np.savez(tmp_path / "samples.npz", **{f"{i}-0": sample[0] for i, sample in enumerate(samples)})
    found = largest_values(path=str(models / "counter.tflite"), samples=str(tmp_path / "samples.npz"), count=3)
    assert found["activations"] == []


def test_a_bundle_refuses_what_an_app_cannot_reset(models, tmp_path):
    with pytest.raises(BundleError, match="keeps values between inferences in variables"):
        bundle([models / "counter.tflite"], data=samples_of("counter"), out=tmp_path / "bundle")
