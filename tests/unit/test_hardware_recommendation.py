"""Which file is recommended for which hardware: operators of small real files, with the sizes and losses of ResNet-8."""

from pathlib import Path

import pytest
from edit_tflite import integers_only
from rich.console import Console
from sample_reports import extended

from tflitekit import compare
from tflitekit.cli import console
from tflitekit.cli.views.report import show_report
from tflitekit.hardware import Hardware, default_schemes, judge, load_profile, profile_names
from tflitekit.render import html, markdown
from tflitekit.results import (
    Accelerator,
    Constraints,
    Drop,
    Examination,
    Latency,
    Measured,
    OnTarget,
    VariantReport,
    read_report,
)
from tflitekit.results.recommendation import recommend
from tflitekit.tflite.graph import read_graph

VERSION_1 = Path(__file__).parents[1] / "data" / "report-version-1.json"
RESNET8 = {
    "float32": (319_828, 291_935, 0.0), "float16": (168_968, 147_625, 0.0004), "dynamic_range": (96_152, 81_546, 0.0006),
    "int8": (97_392, 78_804, 0.0002), "int8-io-int8": (97_088, 78_681, 0.0002), "int16x8": (102_096, 82_040, -0.0004),
    "int16x8-io-int16": (101_792, 81_917, -0.0004),
}  # fmt: skip
"""Bytes of the file, deflated, and the top-1 accuracy on CIFAR-10 that it costs."""


@pytest.fixture(scope="module")
def files(variants, tmp_path_factory):
    """By name, the files that engineers choose from, those with integer inputs and outputs among them."""
    folder = tmp_path_factory.mktemp("integers")
    found = {name: variants / f"{name}.tflite" for name in RESNET8 if "-io-" not in name}
    for name, io in (("int8", "int8"), ("int16x8", "int16")):
        found[f"{name}-io-{io}"] = integers_only(found[name], folder / f"{name}-io-{io}.tflite")
    return found


def row(name, path, profile, *, ms=None, kind="phone", accelerator=None):
    graph = read_graph(path)
    size, deflated, lost = RESNET8[name]
    latency = None
    if ms is not None:
        latency = Latency(
            target="there", target_kind=kind, good_for=("latency",), threads=1, median_ms=ms, p90_ms=ms, p99_ms=ms, mean_ms=ms, min_ms=ms, init_ms=1,
            first_ms=1, runs=9, warmup_runs=1, protocol="quick", runtime="test",
            accelerator=Accelerator(requested=accelerator, actual=accelerator) if accelerator else None,
        )  # fmt: skip
    return VariantReport(
        name=name, scheme=name, status="ok", sha256=name, size_bytes=size, deflated_bytes=deflated,
        inputs=graph.inputs, outputs=graph.outputs, integer_op_fraction=graph.integer_op_fraction, latency=latency,
        accuracy=Measured(metric="top1", value=0.87 - lost, low=0, high=1, n=5000),
        drop=Drop(value=lost, low=lost - 0.002, high=lost + 0.002, p_value=0.5, n=5000, verdict="as measured"),
        hardware=judge(graph, load_profile(profile)),
    )  # fmt: skip


def answer(files, profile, rows=None, **limits):
    rows = rows or [row(name, path, profile) for name, path in files.items()]
    return recommend(
        rows, Constraints(deploy_on=profile, **limits), baseline="float32", hardware=Hardware.of(load_profile(profile))
    )


WANTED = {
    "android-cpu": "int8", "cpu": "int8", "raspberry-pi": "int8", "host": "int8", "browser": "int8",
    "android-gpu": "float16", "ios": "float16", "android-npu": "int8-io-int8", "microcontroller": "int8-io-int8", "edge-tpu": "int8-io-int8",
}  # fmt: skip


@pytest.mark.parametrize("profile", profile_names())
def test_each_hardware_gets_what_its_engineers_would_choose(files, profile):
    found = answer(files, profile)
    assert found.chosen == WANTED.get(profile, "int8-io-int8"), found.reasons
    assert any(reason.startswith(load_profile(profile).title) for reason in found.reasons)
    assert any(reason.startswith(f"not known of {profile}: ") for reason in found.reasons)


def why_not(files, profile, name):
    return next(each.reasons[0] for each in answer(files, profile).rejected if each.name == name)


def test_the_reasons_name_what_the_others_would_do_there(files):
    found = answer(files, "ethos-u55-128")
    why = {each.name: each.reasons[0] for each in found.rejected}
    assert "2 of 8 operators stay on the CPU: QUANTIZE (input 'image')" in why["int8"]
    assert why["float16"].startswith("on ethos-u55-128, it would not run: ")
    assert "inputs and outputs are int8, which spares it conversions from and to float" in found.reasons
    assert "its inputs and outputs are float32, and the hardware wants int8" in why_not(
        files, "microcontroller", "int8"
    )
    assert "3% larger to download than int8" in why_not(files, "browser", "dynamic_range")
    gpu = answer(files, "android-gpu")
    assert "computed otherwise: int8 in float16 or float32" in {e.name: e.reasons[0] for e in gpu.rejected}["int8"]


def test_nothing_is_recommended_where_nothing_runs(files):
    rows = [row(name, files[name], "microcontroller") for name in ("float16", "dynamic_range")]
    found = answer(files, "microcontroller", rows)
    assert found.chosen is None and not found.constraints_met
    assert all(each.reasons[0].startswith("on microcontroller, it would not run") for each in found.rejected)


def test_only_latency_of_the_hardware_ranks(files):
    times = {"float32": 1.0, "float16": 3.0, "int8": 2.0}
    for used, chosen in (("gpu", "float32"), ("cpu", "float16")):
        rows = [row(name, files[name], "android-gpu", ms=ms, accelerator=used) for name, ms in times.items()]
        found = answer(files, "android-gpu", rows)
        assert found.chosen == chosen
    assert any("measured on there, which is not android-gpu, so it did not count" in each for each in found.reasons)
    rows = [row(name, files[name], "raspberry-pi", ms=ms, kind="board") for name, ms in times.items()]
    assert answer(files, "raspberry-pi", rows).chosen == "float32"
    assert answer(files, "raspberry-pi", rows, max_latency_ms=0.5).chosen is None
    rows = [row(name, files[name], "android-cpu", ms=ms, kind="board") for name, ms in times.items()]
    assert answer(files, "android-cpu", rows).chosen == "int8"


def test_what_was_measured_is_known(files):
    def said(ms):
        return " ".join(
            answer(files, "raspberry-pi", [row("int8", files["int8"], "raspberry-pi", ms=ms, kind="board")]).reasons
        )

    assert "nothing was run there" in said(None) and "not known of raspberry-pi: how fast" in said(None)
    assert "latency was measured there" in said(1.0) and "how fast" not in said(1.0)
    assert "not known of raspberry-pi: whether 32-bit systems" in said(1.0)


def test_the_runtime_that_a_file_needs_is_told_where_there_are_versions(files):
    def said(profile):
        one = row("int8", files["int8"], profile).model_copy(update={"min_runtime_version": "2.3.0"})
        return [reason for reason in answer(files, profile, [one]).reasons if "2.3.0" in reason]

    assert said("android-cpu") == ["needs TensorFlow Lite 2.3.0 or newer in the app"]
    assert said("raspberry-pi") == ["needs TensorFlow Lite 2.3.0 or newer on the board"]
    assert said("microcontroller") == said("ethos-u85-512") == []


def examined(one, target="ethos-u:ethos-u55-128", **figures):
    found = Examination(tool="Vela 5.2.0", configuration="500 MHz", **figures)
    told = OnTarget(target=target, target_kind="simulator", good_for=(), runtime="none", examination=found)
    arena = told.model_copy(update={"target": "tflm", "target_kind": "emulator"})
    return one.model_copy(update={"on_targets": (arena if "arena_bytes" in figures else told,)})


def test_estimates_rank_only_where_they_are_trusted(files):
    times = {"int8-io-int8": 0.9, "int16x8-io-int16": 0.3}
    rows = [examined(row(name, files[name], "ethos-u55-128"), estimated_ms=ms) for name, ms in times.items()]
    assert answer(files, "ethos-u55-128", rows).chosen == "int8-io-int8"
    found = answer(files, "ethos-u55-128", rows, trust_estimates=True)
    assert found.chosen == "int16x8-io-int16"
    assert answer(files, "ethos-u55-256", rows, trust_estimates=True).chosen == "int8-io-int8"  # that is another chip
    settings = "ethos-u:ethos-u55-128,memory=Sram_Only"
    other = [examined(row(name, files[name], "ethos-u55-128"), settings, estimated_ms=ms) for name, ms in times.items()]
    assert answer(files, "ethos-u55-128", other, trust_estimates=True).chosen == "int16x8-io-int16"
    assert any("estimated by Vela 5.2.0, 500 MHz, not measured" in reason for reason in found.reasons)
    assert "0.900 ms, estimated by" in found.rejected[0].reasons[0]


def test_the_arena_decides_between_files_of_one_size(files):
    arenas = {"int8": 50_000, "int8-io-int8": 56_000}
    rows = [
        examined(row(name, files["int8-io-int8"], "microcontroller"), arena_bytes=size) for name, size in arenas.items()
    ]
    assert answer(files, "microcontroller", rows).chosen == "int8"


def test_schemes_that_are_tried_when_none_is_named():
    def tried(profile, *, training=False):
        return default_schemes(load_profile(profile), training=training)

    assert tried("android-cpu") == ["float16", "dynamic_range", "int8", "int8_float_fallback", "int16x8"]
    assert tried("ethos-u85-512") == ["int8:io=int8", "int16x8:io=int16"]
    assert tried("edge-tpu", training=True)[-3:] == ["qat:io=int8", "pruned:io=int8", "clustered:io=int8"]
    assert tried("ios", training=True) == ["float16", "pruned:then=float16", "clustered:then=float16"]
    assert tried("phone", training=True)[-3:] == ["qat", "pruned", "clustered"]


def test_every_view_says_what_the_hardware_would_do(monkeypatch):
    report = extended(read_report(VERSION_1))
    page, text = html.render(report), markdown.render(report)
    assert 'id="hardware"' in page and "computes otherwise" in page and "gpu/common/model_builder.cc" in page
    assert "## On Android phone, GPU (android-gpu)" in text and "Not known: which GPU and driver" in text
    shown = Console(width=160, record=True)
    monkeypatch.setattr(console, "stdout", shown)
    show_report(report)
    assert "On Android phone, GPU (android-gpu)" in (said := shown.export_text()) and "9 of 11" in said
    assert 'id="hardware"' not in html.render(read_report(VERSION_1))


def test_comparing_says_where_a_verdict_changed_or_the_hardware_did():
    old = extended(read_report(VERSION_1))
    first, *others = old.variants
    worse = first.model_copy(update={"hardware": first.hardware.model_copy(update={"verdict": "falls back"})})
    found = compare(old, old.model_copy(update={"variants": (worse, *others)}))
    (said,) = [each.message for each in found.warnings if each.kind == "hardware-verdict"]
    assert said == f"What android-gpu would do with a file changed: {first.name} (runs before, falls back now)."
    other = old.model_copy(update={"hardware": Hardware.of(load_profile("ios"))})
    assert "unlike-hardware" in [each.kind for each in compare(old, other).warnings]
