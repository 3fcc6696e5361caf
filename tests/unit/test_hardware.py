"""Profiles of hardware: what each would do with real files, how files of profiles are refused, and the commands."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import run_json
from light_process import run_light

import tflitekit as tk
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.hardware import judge, load_profile, profile_names
from tflitekit.hardware import library as hardware_library
from tflitekit.results import Examination, Placement
from tflitekit.schemes import available, parse_request
from tflitekit.schemes.asked_for import instead_of
from tflitekit.targets import register_target
from tflitekit.targets.layers import layers_of, layers_or_edges_of
from tflitekit.tflite.graph import Operator, read_graph

EXAMPLE = Path(__file__).parents[1] / "plugins" / "example"
DETECTOR = Path(__file__).parents[1] / "data" / "converted" / "detector" / "float32.tflite"
LSTM = DETECTOR.parents[1] / "lstm" / "float32.tflite"


def verdicts(path, *profiles):
    return {name: judge(read_graph(path), load_profile(name)).verdict for name in profiles}


def on(path, profile, **how):
    return judge(read_graph(path), load_profile(profile), **how)


def test_the_layers_come_from_the_sidecar(variants):
    found = tk.check(variants / "int16x8.tflite", on="android-gpu")
    assert "2 CONV_2D (conv1, conv2)" in found.summary


def test_every_profile_is_whole_and_names_its_sources():
    assert len(profile_names()) >= 20
    assert profile_names()[:3] == ["android-cpu", "android-gpu", "android-npu"]
    for name in profile_names():
        profile = load_profile(name)
        assert (profile.name, bool(profile.not_known)) == (name, True)
        assert {rule.source for rule in profile.operators} <= profile.sources.keys()
        assert all(source.url and source.url.startswith("https://") for source in profile.sources.values())


def test_each_hardware_takes_what_its_engineers_would_give_it(variants):
    files = ("float32", "float16", "dynamic_range", "int8", "int16x8")
    found = {name: [verdicts(variants / f"{file}.tflite", name)[name] for file in files] for name in profile_names()}
    runs, other, unknown, back, refused = "runs", "computes otherwise", "not known", "falls back", "would not run"
    assert found["android-cpu"] == found["raspberry-pi"] == found["browser"] == found["host"] == [runs] * 5
    assert found["android-gpu"] == [runs, runs, other, other, back]
    assert found["android-npu"] == [unknown, unknown, back, unknown, unknown]
    assert found["ios"] == [runs, runs, back, back, back]
    assert found["microcontroller"] == [runs, refused, refused, runs, runs]
    assert found["edge-tpu"] == [back, back, back, back, back]
    for name in profile_names():
        if name.startswith("ethos"):
            assert found[name] == [back, refused, refused, back, back], name


def test_float_inputs_of_an_npu_are_named_with_the_way_out(variants):
    found = on(variants / "int8.tflite", "ethos-u55-128")
    assert (found.taken, found.total, found.passes) == (6, 8, False)
    assert [(each.role, each.name, each.dtype) for each in found.io] == [
        ("input", "image", "float32"),
        ("output", "shape", "float32"),
    ]
    assert found.summary == (
        "2 of 8 operators stay on the CPU: QUANTIZE (input 'image'): the NPU does not convert float32 to int8; "
        "DEQUANTIZE (output 'shape'): the NPU does not convert int8 to float32."
    )
    assert "--scheme int8:io=int8" in found.advice
    on_phones = on(variants / "int8.tflite", "android-npu")
    assert on_phones.io == found.io and on_phones.passes and "some chips leave conversions" in on_phones.summary
    coral = on(variants / "int8-io-uint8.tflite", "edge-tpu")
    assert coral.passes and coral.io == () and any("FULLY_CONNECTED: one scale" in note for note in coral.notes)


def test_int16x8_stays_on_the_cpu_of_a_phone_with_a_gpu(variants):
    found = on(variants / "int16x8.tflite", "android-gpu", layers=("conv1", "conv2", "shape"))
    assert found.taken == 0 and found.summary.startswith("Everything stays on the CPU: QUANTIZE (input 'image')")
    assert (
        "2 CONV_2D (conv1, conv2)" in found.summary and "the GPU does not compute in int16 (int16x8)" in found.summary
    )
    assert found.advice == "Convert with --scheme float16."


def test_dynamic_range_does_not_run_on_a_microcontroller(variants):
    found = on(variants / "dynamic_range.tflite", "microcontroller", layers=("conv1", "conv2", "shape"))
    assert found.summary.startswith("It would not run: ")
    assert "the CPU does not compute in float on integer weights (dynamic range)" in found.summary
    assert found.advice == "Convert with --scheme int8:io=int8 or --scheme int16x8:io=int16."
    beside_an_npu = on(variants / "dynamic_range.tflite", "ethos-u85-256")
    assert "nor does the CPU beside it" in beside_an_npu.summary


def test_an_accelerator_leaves_a_logistic_and_a_transposed_convolution(variants):
    found = on(DETECTOR, "ethos-u65-256")
    logistic = next(group for group in found.operators if group.op == "LOGISTIC")
    assert (logistic.where, logistic.why) == (
        "CPU",
        "the NPU does not compute in float32",
    ) and logistic.layers == ("dense_6_1",)
    graph = read_graph(variants / "int8.tflite")
    wide = Operator("TRANSPOSE_CONV", ("up/weights",), ("model/up/out",), "int8", version=5, weights="int8", stride=4)
    more = replace(graph, operators=(*graph.operators, wide, replace(wide, stride=2), replace(wide, weights="int4")))

    def whys(profile):
        return [each.why for each in judge(more, load_profile(profile)).operators if each.op == "TRANSPOSE_CONV"]

    strides, weights = (
        "its stride is 4; the NPU takes 1 or 2",
        "its weights are int4; the NPU takes int8 or uint8, nor does the CPU beside it",
    )
    assert whys("ethos-u55-64") == [strides, weights, ""]
    assert whys("android-gpu")[0] == "of version 5; the GPU has versions up to 3"


def test_a_gpu_computes_integers_in_float(variants):
    found = on(variants / "int8.tflite", "android-gpu")
    assert (
        found.passes
        and found.summary == "All 8 operators run on the GPU, but computed otherwise: int8 in float16 or float32."
    )
    assert any("not that of this hardware" in note for note in found.notes)


def test_a_runtime_can_be_too_old_for_an_operator(variants):
    found = on(variants / "int8.tflite", "android-cpu", runtime="2.12.0")
    assert found.verdict == "would not run" and "and the runtime there is 2.12.0" in found.summary
    assert (
        "2.14.0 or newer (FULLY_CONNECTED with a scale for each channel, which older ones compute wrongly)"
        in found.summary
    )
    found = on(variants / "dynamic_range.tflite", "android-cpu", runtime="1.14.0")
    assert "version 5 came with TensorFlow Lite 2.4.0" in [group.why for group in found.operators]
    assert on(variants / "int8.tflite", "android-cpu", runtime="2.17.0").verdict == "runs"
    with pytest.raises(UsageError, match="'new' is not a version"):
        on(variants / "int8.tflite", "android-cpu", runtime="new")


def test_open_shapes_loops_and_types_that_nothing_computes_in(variants):
    whole = on(LSTM, "cpu")
    assert whole.verdict == "runs" and whole.total > 4  # with those that the loop runs
    assert "no such operator" in on(LSTM, "android-gpu").summary
    graph = read_graph(variants / "float32.tflite")
    opened = replace(graph, dynamic_tensors=("image", "sum"), open_beyond_batch=("image",))
    for name in ("microcontroller", "ethos-u55-128"):
        assert "takes fixed shapes only, and 'image' has an open one" in judge(opened, load_profile(name)).summary
    assert "and 'image' and 1 more have open ones" in judge(opened, load_profile("edge-tpu")).summary
    batch = judge(replace(opened, open_beyond_batch=()), load_profile("microcontroller"))
    assert batch.verdict == "runs" and any("size of the batch open; there it is 1" in note for note in batch.notes)
    brain = replace(graph, operators=(Operator("ADD", (), ("sum",), "bfloat16"),))
    assert (
        judge(brain, load_profile("cpu")).summary
        == "It would not run: ADD (sum): the CPU does not compute in bfloat16."
    )
    flex = replace(graph, operators=(Operator("FlexErf", (), ("m/gelu/erf",), "float32"),))
    there = judge(flex, load_profile("android-cpu"))
    assert "needs the Flex delegate" in there.summary and str(there.advice).endswith(
        "bring kernels for them with the app."
    )
    nowhere = judge(flex, load_profile("microcontroller"))
    assert nowhere.advice == "Replace these layers in the model by others that the CPU has."
    newer = judge(replace(graph, operators=(Operator("BUILTIN_999", (), ("y",), "float32"),)), load_profile("cpu"))
    assert "newer than this version of the kit" in newer.summary
    assert judge(replace(graph, operators=()), load_profile("cpu")).summary.startswith("It has no operators")


def test_a_browser_cannot_fill_int8_inputs(variants):
    graph = read_graph(variants / "int8.tflite")
    integers = replace(graph, inputs=graph.inner_inputs, outputs=graph.inner_outputs)
    found = judge(integers, load_profile("browser"))
    assert found.verdict == "would not run" and "LiteRT.js has no int8 tensors for the input" in found.summary
    assert found.advice == "Convert with inputs and outputs of float32, uint8 or int32."


def test_a_profile_of_ones_own(tmp_path, variants):
    mine = tmp_path / "my-chip.toml"
    mine.write_text(
        'extends = "ethos-u55-128"\ntitle = "My chip"\n[[operators]]\nnames = ["SOFTMAX"]\ntypes = ["int16"]\nsource = "mine"\n'
        '[sources.mine]\ntitle = "Datasheet"\n'
    )
    found = on(variants / "int8-io-uint8.tflite", str(mine))
    assert (found.profile, found.verdict) == ("my-chip", "falls back")
    assert found.summary == "1 of 8 operators stays on the CPU: SOFTMAX: in int8; the NPU takes it in int16 (int16x8)."
    assert found.advice == "Convert with --scheme int16x8:io=int16."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("titel = 'x'", "has a mistake in titel: there is no such key in a profile"),
        ("decides = ['speed']", "has a mistake in decides: write 'size', 'latency', 'download' or 'arena'"),
        ("schemes = ['int9']", "has a mistake in schemes: There is no scheme 'int9'"),
        ("extends = 'moon'", "has a mistake in extends: there is no profile 'moon'"),
        ("rest = 'gpu'", "has a mistake in rest: there is no profile 'gpu'"),
        ("[[operators]]\nnames = ['CONV2D']\ntypes = ['int8']\nsource = 'kernels'", r"in operators 1 \(CONV2D\), names: there is no operator 'CONV2D'; perhaps CONV_2D\.\n"),
        ("[[operators]]\nnames = ['ADD']\ntypes = ['int7']\nsource = 'kernels'", "'int7' is not a type that operators compute in: .* and of a conversion 'float32 to int8'"),
        ("[[operators]]\nnames = ['ADD']\ntypes = ['int8']\nsource = 'rumour'", r"operators 1 \(ADD\) name the source 'rumour', which is not among the sources: kernels"),
        ("[[operators]]\nnames = ['ADD']\ntypes = ['int8']\nsource = 'kernels'\ncertain = false", "must say what it depends on"),
        ("[runtime]\nversion = 'new'", "in runtime, version: write a version, such as 2.16.1"),
        ("schemes = 'int8'", "in schemes: write a list, in brackets"),
        ("not_known = []", "in not_known: write at least 1"),
        ("partitions = 0", "in partitions: write 1 or more"),
        ("processor = 1", "in processor: write a text"),
        ("= 3", "cannot be read: it is not TOML"),
    ],
)  # fmt: skip
def test_a_malformed_profile_says_where(tmp_path, change, words):
    path = tmp_path / "mine.toml"
    path.write_text(change if "extends" in change else f"extends = 'cpu'\n{change}\n")
    with pytest.raises(UsageError, match=words):
        load_profile(str(path))


def test_an_incomplete_profile_and_one_that_is_not_there(tmp_path):
    (tmp_path / "mine.toml").write_text("title = 'x'\n")
    with pytest.raises(UsageError, match="in about: it is missing"):
        load_profile(str(tmp_path / "mine.toml"))
    with pytest.raises(UsageError, match="cannot be read: there is no such file"):
        load_profile(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match=r"(?s)no hardware profile 'moon'.*android-cpu"):
        load_profile("moon")


def test_another_package_adds_a_profile(install, variants):
    install(EXAMPLE, hardware_library._registry)
    assert profile_names()[-1] == "my-board"
    assert "the runtime there is 2.12.0" in on(variants / "int8.tflite", "my-board").summary


def test_the_command_exits_with_1_where_it_would_not_run_or_fall_back(cli, variants):
    code, out, _ = cli("check", variants / "int8.tflite", "--on", "ethos-u55-128")
    assert code == 1 and "QUANTIZE" in out and "Try: Convert with integer inputs and outputs" in out
    code, out, _ = cli("check", variants / "float16.tflite", "--on", "android-gpu")
    assert code == 0 and "All 9 operators run on the GPU." in out
    found = run_json(cli("check", variants / "int8.tflite", "--on", "phone", "--json"))
    assert (found["profile"], found["verdict"], found["taken"]) == ("android-cpu", "runs", 8)
    assert cli("check", variants / "int8.tflite", "--on", "moon")[0] == 2


def test_profiles_are_listed_and_shown(cli):
    code, out, _ = cli("hardware")
    assert code == 0 and "ethos-u85-2048" in out and "Coral Edge TPU" in out
    code, out, _ = cli("hardware", "edge-tpu")
    assert code == 0 and "coral.ai/docs/edgetpu/models-intro" in out and "Not known" in out and "TRANSPOSE_CONV" in out
    assert run_json(cli("hardware", "ios", "--json"))["runtime"]["since"].startswith("TensorFlow Lite 2.4")
    assert [each["name"] for each in run_json(cli("hardware", "--json"))] == profile_names()


def test_checking_is_light(variants):
    done = run_light(
        "check",
        variants / "int8.tflite",
        "--on",
        "android-npu",
        absent="tensorflow scipy ai_edge_litert.interpreter",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("asked", "why", "fix"),
    [
        ("bfloat16", "No LiteRT CPU kernel takes bfloat16", "Take float16"),
        ("fp8", "no kernels for 8-bit floats", "Take int8"),
        ("uint8", "compute in int8", "int8:io=uint8"),
        ("int16", "weights have 8 bits", "Take int16x8"),
        ("int4", "4 bits are a type of weights", "Take weight_only_int4"),
        ("fp16", None, "Take float16."),
    ],
)
def test_types_that_are_no_schemes_get_an_honest_answer(asked, why, fix):
    with pytest.raises(UsageError, match=f"There is no scheme '{asked}'") as caught:
        parse_request(asked)
    assert fix in caught.value.fix
    assert caught.value.why is None if why is None else why in caught.value.why


def test_no_scheme_is_taken_for_another():
    assert not [name for name in available() if instead_of(name) is not None]


def test_targets_name_conversions_at_the_edges_as_check_does(variants):
    path = variants / "int8.tflite"
    graph = read_graph(path)
    first, *_, last = layers_or_edges_of(path, graph)
    assert (first, last) == (f"input '{graph.inputs[0].name}'", f"output '{graph.outputs[0].name}'")
    assert not any(name.startswith("input ") for name in layers_of(path, graph))


@register_target("paper-npu")
class PaperNpu:
    """An NPU whose compiler leaves what converts, and refuses float files."""

    name, kind, good_for = "paper-npu", "simulator", ()

    def identity(self):
        return {"runtime": "paper compiler 1"}

    def examine(self, path, *, graph):
        del path
        if graph.is_float:
            raise ModelError("The compiler refuses the file.", why="it is float")
        placed = tuple(
            Placement(index=i, op=one.name, layer="", where="CPU" if one.compute == "conversion" else "NPU")
            for i, one in enumerate(graph.operators)
        )
        return Examination(tool="paper compiler 1", placements=placed, notes=("Nothing is known of its speed.",))

    def close(self):
        pass


def test_the_tools_of_a_target_are_asked_too(cli, variants):
    code, out, _ = cli("check", variants / "int8.tflite", "--also-on", "paper-npu")
    assert code == 1 and "6 of 8 operators on the NPU" in out and "Nothing is known of its speed." in out
    found = run_json(cli("check", variants / "int8.tflite", "--on", "cpu", "--also-on", "paper-npu", "--json"))
    assert found["verdict"] == "runs" and found["on_targets"][0]["examination"]["tool"] == "paper compiler 1"
    code, out, _ = cli("check", variants / "float32.tflite", "--also-on", "paper-npu")
    assert code == 1 and "does not run; The compiler refuses the file. it is float" in out
    code, _, said = cli("check", variants / "int8.tflite")
    assert code == 2 and "--on is missing" in said
