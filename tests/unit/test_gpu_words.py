"""What a GPU accelerator says of a file: recorded words of the real one, and the rule by which it divides a graph."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflitekit.targets.gpu_placement import placed
from tflitekit.targets.gpu_words import Part, read_words
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.operators import Operator

DATA = Path(__file__).parents[1] / "data"
LOGS = DATA / "gpu_logs"
WORDS = {name: read_words((LOGS / f"{name}.txt").read_text()) for name in ("int16x8", "tokens", "lstm")}
FILES = {"int16x8": "shapes/int16x8", "tokens": "tokens/float32", "lstm": "lstm/float32"}


def placements(name):
    graph = read_graph(DATA / "converted" / f"{FILES[name]}.tflite")
    return placed(graph.operators, [""] * len(graph.operators), WORDS[name].parts[0])


def test_recorded_words():
    assert {words.adapter for words in WORDS.values()} == {"SwiftShader Device (Subzero)"}
    assert WORDS["tokens"].parts == (Part((("GATHER", "Only support 1D indices"),), on_gpu=3, on_cpu=4),)
    assert [(part.on_gpu, part.on_cpu) for part in WORDS["lstm"].parts][:2] == [(1, 3), (14, 5)]
    assert WORDS["int16x8"].parts[0].on_gpu == 0
    assert len(WORDS["int16x8"].parts[0].rejected) == 8


def test_every_operator_gets_its_own_reason():
    found, doubt = placements("int16x8")
    assert doubt is None
    assert {(one.op, one.where) for one in found} == {(one.op, "CPU") for one in found}
    reasons = {one.op: one.why for one in found}
    assert reasons["CONV_2D"] == "Tensor type(INT16) is not supported."  # without the tensor's name
    assert reasons["MAX_POOL_2D"] == "Max version supported: 2. Requested version 3."


def test_operators_that_it_could_run_and_does_not_are_told_apart():
    found, doubt = placements("tokens")
    assert [one.where for one in found] == ["GPU"] * 3 + ["CPU"] * 4
    assert found[3].why == "Only support 1D indices"
    assert "one connected part" in found[4].why
    assert "Which of 2 parts of equal size" in doubt
    found, _ = placements("lstm")
    assert [(one.op, one.where) for one in found if one.why and "not support" in one.why] == [
        ("WHILE", "CPU"),
        ("STRIDED_SLICE", "CPU"),
    ]


def test_nothing_is_placed_where_the_numbers_do_not_follow_from_the_rule():
    chain = [
        Operator(name, (), (f"t{i}",), inputs=(f"t{i - 1}",)) for i, name in enumerate(["ADD", "EXP", "ADD", "ADD"])
    ]
    layers = [""] * 4
    rejected = (("EXP", "Operation is not supported."),)
    found, doubt = placed(chain, layers, Part(rejected, on_gpu=2, on_cpu=2))
    assert [one.where for one in found] == ["CPU", "CPU", "GPU", "GPU"] and doubt is None
    for part in (Part(rejected, on_gpu=3, on_cpu=1), Part(rejected, on_gpu=2, on_cpu=1), Part((), on_gpu=2, on_cpu=2)):
        found, doubt = placed(chain, layers, part)
        assert found == () and "does not say" in doubt


def test_faults_and_errors():
    words = read_words(
        "ERROR: [model_load.cc:316] Variable tensors not yet supported.\n"
        "E0000 1 2 environment.cc:105] Validation error: Error while parsing WGSL: unresolved value\n"
        "E0000 1 2 environment.cc:105] Validation error: [Invalid ShaderModule] is invalid due to a previous error.\n"
        "W0000 1 2 gpu_model_builder.cc:3901] Shape mismatch in UpdateOutputTensors(output of convolution1x1). Requested {16} vs reference {32}.\n"
    )
    assert words.errors == ("Variable tensors not yet supported.",)
    assert words.faults == (
        "Error while parsing WGSL: unresolved value",
        "Shape mismatch in UpdateOutputTensors(output of convolution1x1). Requested {16} vs reference {32}",
    )
    assert words.adapter is None and words.parts == ()


@given(st.text())
def test_no_text_breaks_the_reader(text):
    begin = "ERROR: Following operations are not supported by GPU delegate:\n"
    for log in (
        text,
        begin + text,
        begin + text + "\n3 operations will run on the GPU, and the remaining 4 operations will run on the CPU.",
    ):
        read_words(log)


@given(
    st.lists(st.tuples(st.sampled_from(["ADD", "CONV_2D", "MaxPool"]), st.text(st.characters(categories=["L", "N"]))), max_size=5),
    st.integers(1, 99),
    st.integers(0, 99),
)  # fmt: skip
def test_what_is_written_as_the_accelerator_does_is_read(rejected, on_gpu, on_cpu):
    lines = [f"{op}: {reason}" for op, reason in rejected]
    log = "\n".join([
        "INFO: before", "ERROR: Following operations are not supported by GPU delegate:", *lines,
        f"{on_gpu} operations will run on the GPU, and the remaining {on_cpu} operations will run on the CPU.", "ADD: after",
    ])  # fmt: skip
    assert read_words(log).parts == (Part(tuple(dict.fromkeys(rejected)), on_gpu, on_cpu),)


@given(st.data())
def test_parts_are_connected_and_can_run_one_after_the_other(data):
    """The part that is taken needs nothing that is computed from its own outputs outside of it."""
    count = data.draw(st.integers(1, 12))
    reads = [data.draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(count)]
    able = [data.draw(st.booleans()) for _ in range(count)]
    operators = [
        Operator("ADD" if able[i] else "EXP", (), (f"t{i}",), inputs=tuple(f"t{j}" for j in sorted(reads[i]))) for i in range(count)
    ]  # fmt: skip
    fitting = [
        found
        for size in range(count + 1)
        if (found := placed(operators, [""] * count, Part((("EXP", "no"),), size, count - size))[0])
    ]
    assert len(fitting) == 1
    taken = {one.index for one in fitting[0] if one.where == "GPU"}
    assert all(able[i] for i in taken) and bool(taken) == any(able)
    behind: set[int] = set()  # outside, and computed from what the part computes
    for i in range(count):
        if i not in taken and (reads[i] & taken or reads[i] & behind):
            behind.add(i)
        assert i not in taken or not reads[i] & behind


@pytest.mark.parametrize("name", FILES)
def test_recorded_words_belong_to_the_committed_files(name):
    assert placements(name)[0]
