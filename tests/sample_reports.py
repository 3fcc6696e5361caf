"""Reports with every optional field filled, made from real ones: for the tests of the renderers, and to look at.

As a script it writes the views of each sample: ``python tests/sample_reports.py REPORT_FOLDER OUT``.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.hardware import Hardware, IoJudgement, Judgement, OperatorGroup, Verdict, load_profile
from tflitekit.latency.merging import merge
from tflitekit.results import (
    Accelerator,
    Agreement,
    ClassRecall,
    Conditions,
    Confidence,
    ConfidenceBin,
    Constraints,
    DeviceState,
    Drop,
    Examination,
    Finding,
    Flip,
    Flips,
    Latency,
    LatencyRatio,
    Measured,
    OnTarget,
    OpRow,
    OpTime,
    Placement,
    Profile,
    Recommendation,
    Rejection,
    Report,
    Samples,
    Sequential,
    Sustained,
    VariantReport,
    read_report,
)
from tflitekit.results.explanation import ChannelError, Culprit, Explanation, LayerCost, LayerError, WeightError
from tflitekit.tflite.proof import Proof
from tflitekit.tflite.search_record import SearchChange, SearchLayer, SearchPoint, SearchRecord
from tflitekit.tflite.training_record import (
    CompressedLayer,
    Compression,
    EpochRecord,
    Parity,
    Score,
    StageRecord,
    ThreeWay,
    TrainingRecord,
)

__all__ = [
    "HOSTILE",
    "SAMPLES",
    "bare",
    "compression",
    "extended",
    "hostile",
    "many_classes",
    "merged",
    "phone",
    "regression",
    "stage",
    "trained",
    "training",
    "undecided",
]

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"quoted\" 'name' & `tick`",
    "{{ 7 * 7 }} {% raw %}",
    "日本語 \u202eright-to-left\u2028line \x1b[31m\x9b2J",
    "=HYPERLINK(1)",
)
"""Names that must stay text in every view."""

_SPEED = {"float32": 1.0, "float16": 1.01, "dynamic_range": 0.35, "int8": 0.32, "int8_float_fallback": 0.32}
_REFERENCE_KERNELS = 39.0
_CPU = "AMD EPYC"


def extended(report: Report) -> Report:
    """Returns a report on images with everything that the kit can measure."""
    assert report.dataset is not None
    classes = report.dataset.classes or ("one", "two")
    rows = [_extended_row(row, index, classes) for index, row in enumerate(report.variants)]
    return report.model_copy(
        update={
            "variants": tuple(rows),
            "hardware": Hardware.of(load_profile("android-gpu")),
            "constraints": Constraints(max_accuracy_drop=2, max_class_drop=5, max_size_bytes=200_000, max_latency_ms=2),
            "dataset": report.dataset.model_copy(
                update={"available": 10_000, "seed": 20210, "skipped": ("a.jpg: cut",)}
            ),
            "warnings": (
                *report.warnings,
                Finding(
                    kind="calibration-range",
                    message="Calibration inputs reach 255, evaluation inputs only 1.",
                    advice="Check that both go through the same preprocessing.",
                ),
                Finding(kind="no-vnni", message="This host has no VNNI: int8 here says nothing about a phone."),
            ),
        }
    )


def _extended_row(row: VariantReport, index: int, classes: Sequence[str]) -> VariantReport:
    if row.status != "ok" or row.latency is None or row.accuracy is None:
        return row
    generator = np.random.default_rng(index)
    base_ms = 0.11 * _SPEED.get(row.name, _REFERENCE_KERNELS)
    latency = _latency(base_ms, generator, threads=1, is_baseline=index == 0)
    confusion = _confusion(len(classes), row.accuracy.n, 0.20 + 0.012 * index, np.random.default_rng(7), generator)
    noisy = Finding(
        kind="noisy-machine",
        message="The interval of the median is wider than 2 % after 10 s.",
        advice="Close other programs, or measure longer.",
    )
    slow = Finding(kind="reference-kernels", message="Runs on reference kernels.", advice="Do not judge it here.")
    return row.model_copy(
        update={
            "latency": latency,
            "other_latencies": tuple(
                _latency(base_ms / threads ** (0.3 + 0.1 * index), generator, threads=threads, is_baseline=index == 0)
                for threads in (2, 4)
            ),
            "sustained": _sustained(base_ms, generator),
            "profile": _profile(base_ms * 1000, generator),
            "arena_bytes": 66_000 + 4_000 * index,
            "peak_memory_bytes": row.peak_memory_bytes or 1_000_000,
            "confusion": confusion,
            "per_class": tuple(_recalls(classes, confusion, index)),
            "flips": None if index == 0 else _flips(classes, generator, index),
            "confidence": _confidence(0.02 + 0.012 * index, generator),
            "agreement": None if index == 0 else Agreement(value=0.97, low=0.957, high=0.979, n=row.accuracy.n),
            "sequential": None
            if index == 0
            else Sequential(decision="meets", limit=0.02, low=-0.006, high=0.0174, alpha=0.05, decided_at=640 * index),
            "ops": tuple(_ops(row)),
            "on_targets": _on_targets(row, index),
            "hardware": _judgement(index),
            "search": _search(index) if index in (1, 2) else None,
            "explanation": _explanation(row.name, 20 + 130 * (index - 1)) if index in (1, 2) else None,
            "warnings": (*row.warnings, *((noisy,) if index in (1, 2) else ()), *((slow,) if index > 4 else ())),
        }
    )


def _explanation(name: str, count: int) -> Explanation:
    """As many operators as a small network has, or a large one; two are to blame, of which one stands at the end."""
    generator = np.random.default_rng(count)
    layers = [
        LayerError(
            index=i,
            layer=f"block_{i // 4}_expand",
            operator="CONV_2D",
            tensor=f"t{i}",
            stored_as=f"t{i}",
            shape=(1, 8, 8, 16),
            dtype="int8",
            snr_db=None if i == 0 else float(generator.uniform(5, 45)),
            explained=0.9,
            bias=0.01,
            outside=0.001,
            saturated=0.01,
            grid_used=0.8,
            low=-3.0,
            high=5.0,
            grid=(-4.0, 5.0),
            histogram=tuple(generator.poisson(20, 64).tolist()),
            channels=16,
            worst=(ChannelError(channel=3, snr_db=4.0, low=-0.1, high=0.1, steps=6.0),),
            weights=WeightError(dtype="int8", scales=16, snr_db=44.0, spread=2.0, peak=4.0) if i % 3 == 0 else None,
            alone=LayerCost(samples=64, agreement=0.97, explained=0.95, lowest=0.9),
        )
        for i in range(count)
    ]
    culprits = tuple(
        Culprit(
            index=i, layer=layers[i].layer, pattern="unlike-channels", message="Channel 3 is small.", advice="Scale it."
        )
        for i in (count // 3, count - 1)
    )
    return Explanation(
        baseline="float32.tflite", variant=f"{name}.tflite", scheme=name, samples=200, location="test", layers=tuple(layers), culprits=culprits
    )  # fmt: skip


def _judgement(index: int) -> Judgement:
    """Returns what a GPU would do with a variant, another thing for each."""
    verdict = get_args(Verdict)[index % len(get_args(Verdict))]
    taken = OperatorGroup(op="CONV_2D", compute="float32", count=9, where="GPU")
    left = OperatorGroup(
        op="GELU",
        compute="float32",
        count=2,
        where="CPU",
        why="the GPU has no such operator",
        layers=("gelu", "gelu_1"),
    )
    return Judgement(
        profile="android-gpu",
        runtime=None,
        verdict=verdict,
        summary=f"{verdict.capitalize()}: 2 GELU (gelu, gelu_1).",
        taken=9,
        total=11,
        operators=(left, taken),
        io=(IoJudgement(role="input", name="image", dtype="int16"),),
        notes=("The GPU computes in float16.",),
        advice=None if verdict == "runs" else "Convert with --scheme float16.",
    )


def _on_targets(row: VariantReport, index: int) -> tuple[OnTarget, ...]:
    """Returns an emulator that computes the same, a GPU that does not, and a compiler that takes every second file."""
    assert row.accuracy is not None
    seen = row.accuracy.model_copy(update={"n": 1000})
    common: dict[str, Any] = {"target_kind": "emulator", "good_for": ("accuracy",), "samples": 1000, "accuracy": seen}
    apart = Drop(
        value=0.004,
        low=-0.001,
        high=0.009,
        p_value=0.1,
        n=1000,
        verdict="too few samples to tell (drops 0.4 ± 0.5 points)",
    )
    arm = OnTarget(target="arm64-emulated", runtime="ai-edge-litert 2.1.6", identical=1000, deviation=0.0, **common)
    placed = [
        Placement(
            index=i, op="CONV_2D", layer=f"conv{i}", where="NPU" if i % 5 else "CPU", why=None if i % 5 else "float"
        )
        for i in range(12)
    ]
    told = Examination(
        tool="WebGPU accelerator",
        placements=tuple(placed),
        notes=("It computes in float32: overflow of float16 stays unseen.",),
    )
    gpu = OnTarget(
        target="gpu-emulated",
        runtime="LiteRT WebGPU",
        identical=12,
        deviation=0.14,
        drop_from_host=apart,
        examination=told,
        **common,
    )
    npu = OnTarget(
        target="ethos-u:ethos-u55-128",
        target_kind="simulator",
        good_for=(),
        runtime="vela 5.2.0",
        refused=None if index % 2 else "Only integer files can be compiled.",
        examination=Examination(
            tool="vela 5.2.0",
            configuration="ethos-u55-128, 500 MHz, Shared_Sram",
            placements=tuple(placed),
            sram_bytes=51_800,
            flash_bytes=79_400,
            estimated_ms=0.3,
        )
        if index % 2
        else None,
    )
    return arm, gpu, npu


def _search(index: int) -> SearchRecord:
    sizes = np.geomspace(53_000, 170_000, 30).astype(int)
    points = tuple(
        SearchPoint(
            size_bytes=int(size),
            loss=0.02 * 0.9**number,
            high=0.025 * 0.9**number,
            samples=500 if number > 9 else 2000,
            layers={"int4": 30 - number, "int8": number},
            chosen=number == 8,
        )
        for number, size in enumerate(sizes)
    )
    return SearchRecord(
        judged_by="accuracy" if index == 1 else "fidelity",
        labels=index == 1,
        data="photos/train",
        samples=2000,
        calibrated=index != 1,
        limit=0.0125,
        loss=points[8].loss,
        high=points[8].high,
        met=index == 1,
        tried=30,
        ended="finished" if index == 1 else "budget",
        seconds=61.2,
        seed=20210,
        layers=tuple(
            SearchLayer(
                name=f"block_{i}",
                operator="CONV_2D",
                type="int8" if i in (0, 7) else "int4",
                rounding="gptq",
            )
            for i in range(30)
        ),
        path=points,
        changes=(
            SearchChange(change="weights rounded by GPTQ", size_bytes=60_000, before=0.05, loss=0.02, kept=True),
            SearchChange(change="ranges by mean squared error", size_bytes=60_000, before=0.02, loss=0.03, kept=False),
        ),
        following="'block_3' in int16",
    )


def _latency(median_ms: float, generator: np.random.Generator, *, threads: int, is_baseline: bool) -> Latency:
    rounds = [median_ms * 1000 * (1 + generator.gamma(1.5, 0.012, 60)) for _ in range(10)]
    for part in rounds:
        part[generator.integers(60)] *= 3  # an interruption in each round
    flat = np.concatenate(rounds) / 1000
    medians = np.array([np.median(part) for part in rounds]) / 1000
    middle = float(np.median(flat))
    ratio = middle / 0.112 * threads**0.6
    verdict = "tie" if 0.98 < ratio < 1.02 else "faster" if ratio < 1 else "slower"
    return Latency(
        target="host",
        threads=threads,
        protocol="quick",
        median_ms=middle,
        median_low_ms=float(medians.min()),
        median_high_ms=float(medians.max()),
        p90_ms=float(np.percentile(flat, 90)),
        p99_ms=float(np.percentile(flat, 99)),
        mean_ms=float(flat.mean()),
        min_ms=float(flat.min()),
        init_ms=4.1,
        first_ms=middle * 1.3,
        input_us=3.2,
        output_us=0.9,
        harness_us=1.1,
        runs=flat.size,
        rounds=len(rounds),
        warmup_runs=200,
        stopped_by="precision",
        runtime="ai-edge-litert 2.3.0",
        machine={"cpu": _CPU, "cores": 2},
        accelerator=Accelerator(requested="xnnpack", actual="xnnpack", nodes=31, delegated_nodes=29, partitions=2),
        samples=Samples.of([part.tolist() for part in rounds]),
        ratio=None
        if is_baseline
        else LatencyRatio(baseline="float32", value=ratio, low=ratio * 0.985, high=ratio * 1.017, verdict=verdict),
    )


def phone(
    report: Report,
    times_ms: dict[str, float],
    *,
    target: str = "android:Pixel 8 (Android 15)",
    threads: int = 1,
    accelerator: str = "cpu",
    worst: str = "none",
    seed: int = 0,
) -> Report:
    """Returns what the Android app would write for variants of a report: samples around a time each, derived figures of 0."""
    rows = []
    for index, (name, median_ms) in enumerate(times_ms.items()):
        generator = np.random.default_rng([seed, index])
        rounds = [median_ms * 1000 * (1 + generator.gamma(1.5, 0.012, 40)) for _ in range(15)]
        latency = Latency(
            target=target,
            threads=threads,
            protocol="quick",
            **dict.fromkeys(("median_ms", "p90_ms", "p99_ms", "mean_ms", "min_ms"), 0.0),
            init_ms=9.5,
            first_ms=median_ms * 1.6,
            input_us=11.0,
            output_us=2.0,
            harness_us=0.1,
            runs=600,
            rounds=15,
            warmup_runs=40,
            stopped_by="precision",
            runtime="TensorFlow Lite 2.16.1",
            machine={"device": "Google Pixel 8", "cpu": "Tensor G3", "cores": 9, "system": "Android 15 (API 35)"},
            accelerator=Accelerator(requested=accelerator, actual=accelerator, delegate="XNNPACK"),
            conditions=Conditions(
                before=DeviceState(
                    thermal_status="none", battery_percent=81, battery_celsius=29.0, charging=False, power_save=False
                ),
                after=DeviceState(
                    thermal_status=worst, battery_percent=80, battery_celsius=31.5, charging=False, power_save=False
                ),
                worst_thermal_status=worst,
            ),
            samples=Samples.of(rounds, [i // 3 for i in range(15)]),
        )
        known = report.variant(name)
        rows.append(VariantReport(name=name, scheme=known.scheme, status="ok", sha256=known.sha256, latency=latency))
    return Report(
        tool={"tflitekit-demo": "0.4.0"},
        created="2026-05-01T10:00:00+00:00",
        machine={"system": "Android 15 (API 35)", "cpu": "Tensor G3"},
        source=None,
        dataset=None,
        contract=None,
        baseline=report.baseline,
        constraints=Constraints(),
        variants=tuple(rows),
        recommendation=None,
    )


def _sustained(start_ms: float, generator: np.random.Generator) -> Sustained:
    times = np.arange(60) * 5.0 + 2.5
    change = (
        1 + generator.uniform(0.02, 0.4) / (1 + np.exp(-(times - 120) / 25)) + generator.normal(0, 0.01, times.size)
    )
    median = start_ms * change
    start, end = float(median[:6].mean()), float(median[-6:].mean())
    return Sustained(
        minutes=5,
        times_s=tuple(times.tolist()),
        median_ms=tuple(median.tolist()),
        start_ms=start,
        end_ms=end,
        change=end / start,
    )


def _profile(whole_us: float, generator: np.random.Generator) -> Profile:
    kinds = ["CONV_2D"] * 9 + ["ADD"] * 3 + ["AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX", "PAD", "PAD"]
    shares = generator.dirichlet(np.linspace(6, 0.3, len(kinds)))
    total = whole_us * 1.04
    ops = [
        OpTime(index=i, op=kind, layer=f"resnet/stage{i // 6}/{kind.lower()}_{i}", time_us=total * s, share=s)
        for i, (kind, s) in enumerate(zip(kinds, shares.tolist(), strict=True))
    ]
    return Profile(
        method="The runtime's own profiler.", runs=50, rounding_us=4.0, whole_us=whole_us, sum_us=total, ops=tuple(ops)
    )


def _confusion(
    count: int, n: int, error: float, shared: np.random.Generator, generator: np.random.Generator
) -> tuple[tuple[int, ...], ...]:
    each = max(n // count, 4)
    likely = shared.dirichlet(np.full(count, 0.4), size=count)
    rows = []
    for true in range(count):
        chances = error * (0.5 + likely[true, true]) * likely[true]
        chances[true] = 0
        chances[true] = max(1 - chances.sum(), 0.2)
        rows.append(tuple(generator.multinomial(each, chances / chances.sum()).tolist()))
    return tuple(rows)


def _recalls(classes: Sequence[str], confusion: Sequence[Sequence[int]], index: int) -> Iterator[ClassRecall]:
    for position, label in enumerate(classes):
        n = sum(confusion[position])
        value = confusion[position][position] / n
        half = 1.96 * (value * (1 - value) / n) ** 0.5 + 0.005
        worse = 0.0 if index == 0 else 0.004 * index * (position % 4) - 0.004
        drop = Drop(
            value=worse,
            low=worse - 0.02,
            high=worse + 0.02,
            p_value=0.2,
            n=n,
            verdict=f"drops {worse * 100:.1f} ± 2.0 points" if worse > 0.02 else "no measurable drop",
        )
        yield ClassRecall(
            label=label,
            value=value,
            low=max(value - half, 0),
            high=min(value + half, 1),
            n=n,
            drop=None if index == 0 else drop,
        )


def picture(pixels: NDArray[Any]) -> str:
    """Returns a JPEG as base64."""
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()


def _flips(classes: Sequence[str], generator: np.random.Generator, index: int) -> Flips:
    examples = []
    for number in range(6):
        y, x = np.mgrid[:48, :48]
        waves = np.sin(x / generator.uniform(3, 9) + y / generator.uniform(3, 9)) * 60 + 128
        pixels = waves[..., None] + generator.uniform(-60, 60, 3)
        true, answer = generator.permutation(len(classes))[:2]
        examples.append(
            Flip(
                sample=f"{classes[true]}/{number:04d}.png",
                label=classes[true],
                answer=classes[answer],
                confidence=0.98 - 0.07 * number,
                image=picture(pixels.clip(0, 255)),
            )
        )
    return Flips(lost=14 + index, won=9, examples=tuple(examples))


def _confidence(ece: float, generator: np.random.Generator) -> Confidence:
    edges = np.linspace(0, 1, 11)
    bins = tuple(
        ConfidenceBin(
            low=low,
            high=low + 0.1,
            confidence=low + 0.06,
            accuracy=min(max(low + 0.06 - ece * 2 + generator.normal(0, 0.02), 0), 1),
            n=int(20 + 300 * low**3),
        )
        for low in edges[1:-1].tolist()
    )
    return Confidence(ece=ece, low=ece * 0.7, high=ece * 1.4, mean_confidence=0.81, bins=bins)


def _ops(row: VariantReport) -> Iterator[OpRow]:
    compute = "int8" if row.name.startswith("int8") else "int16" if row.name == "int16x8" else "float32"
    for name, count, share in (
        ("CONV_2D", 9, 0.95),
        ("ADD", 3, 0.0),
        ("FULLY_CONNECTED", 1, 0.05),
        ("SOFTMAX", 1, 0.0),
    ):
        yield OpRow(
            name=name, version=2, compute=compute, count=count, weight_bytes=int((row.size_bytes or 0) * 0.9 * share)
        )
    if compute != "float32":
        yield OpRow(name="QUANTIZE", version=1, compute="float32", count=1, weight_bytes=0)


def _proof(**changes):
    fields = {"original": "keras 3.15.1", "samples": 4, "origin": "calibration", "largest": 2e-7, "relative": 3e-7}
    return Proof(**fields | {"output": "scores"} | changes)


def hostile(report: Report) -> Report:
    """Returns the report with names from files that try to be markup, code or formulas."""
    assert report.dataset is not None
    assert report.source is not None
    names = {
        row.name: HOSTILE[i % len(HOSTILE)] + ("" if i < len(HOSTILE) else str(i))
        for i, row in enumerate(report.variants)
    }
    rows = []
    for row in report.variants:
        per_class = tuple(
            entry.model_copy(update={"label": HOSTILE[i % len(HOSTILE)] + str(i)})
            for i, entry in enumerate(row.per_class)
        )
        warning = Finding(kind="note", message=HOSTILE[0], advice=HOSTILE[1])
        update: dict[str, Any] = {"name": names[row.name], "per_class": per_class, "warnings": (warning,)}
        if row.flips:
            examples = tuple(
                e.model_copy(update={"sample": HOSTILE[1], "label": HOSTILE[0], "image": None if i else '"><b>no JPEG'})
                for i, e in enumerate(row.flips.examples)
            )
            update["flips"] = row.flips.model_copy(update={"examples": examples})
        if row.training:
            words = {"data": HOSTILE[0], "loss": HOSTILE[1], "augmentation": HOSTILE[3], "notes": HOSTILE}
            update["training"] = row.training.model_copy(update=words | {"left_float": HOSTILE[:2]})
            update["control"] = names.get(row.control or "")
        update["on_targets"] = tuple(
            one.model_copy(update={"refused": HOSTILE[2], "target": HOSTILE[3], "runtime": HOSTILE[0]})
            for one in row.on_targets
        )
        if row.hardware:
            groups = tuple(each.model_copy(update={"layers": HOSTILE}) for each in row.hardware.operators)
            words = {"summary": HOSTILE[0], "advice": HOSTILE[1], "notes": HOSTILE, "operators": groups}
            update["hardware"] = row.hardware.model_copy(update=words)
        if row.explanation:
            found_layers = [layer.model_copy(update={"layer": HOSTILE[4]}) for layer in row.explanation.layers]
            words = {"layer": HOSTILE[4], "message": HOSTILE[0], "advice": HOSTILE[1]}
            blamed = [one.model_copy(update=words) for one in row.explanation.culprits]
            update["explanation"] = row.explanation.model_copy(
                update={"layers": tuple(found_layers), "culprits": tuple(blamed), "location": HOSTILE[1]}
            )
        if row.search:
            named = [layer.model_copy(update={"name": HOSTILE[4]}) for layer in row.search.layers]
            words = {"data": HOSTILE[0], "following": HOSTILE[1], "layers": tuple(named)}
            update["search"] = row.search.model_copy(update=words)
        if row.compression:
            layers = [layer.model_copy(update={"layer": HOSTILE[4]}) for layer in row.compression.layers]
            update["compression"] = row.compression.model_copy(update={"layers": tuple(layers)})
        rows.append(row.model_copy(update=update))
    found = report.recommendation
    assert found is not None
    return report.model_copy(
        update={
            "variants": tuple(rows),
            "baseline": names[report.baseline] if report.baseline else None,
            "source": report.source.model_copy(
                update={"location": "models/" + HOSTILE[0], "proof": _proof(output=HOSTILE[1], original=HOSTILE[3])}
            ),
            "dataset": report.dataset.model_copy(
                update={"location": HOSTILE[1], "classes": tuple(e.label for e in rows[0].per_class) or None}
            ),
            "recommendation": found.model_copy(
                update={
                    "chosen": names[found.chosen] if found.chosen else None,
                    "reasons": (*HOSTILE, *found.reasons),
                    "rejected": tuple(Rejection(name=names[r.name], reasons=HOSTILE) for r in found.rejected),
                }
            ),
            "warnings": (Finding(kind="<b>", message=HOSTILE[2], advice=HOSTILE[3]),),
        }
    )


def many_classes(report: Report, count: int = 400) -> Report:
    """Returns the report as of a model with hundreds of classes, without confusion matrices."""
    assert report.dataset is not None
    classes = tuple(f"class {i:03d} of a long taxonomy, with its Latin name" for i in range(count))
    rows = []
    for index, row in enumerate(extended(report).variants):
        confusion = _confusion(60, 6000, 0.2 + 0.02 * index, np.random.default_rng(7), np.random.default_rng(index))
        numbers = [confusion[i % 60] for i in range(count)]
        square = [
            tuple(line[(j - i + i % 60) % 60] if abs(j - i) < 30 else 0 for j in range(count))
            for i, line in enumerate(numbers)
        ]
        recalls = _recalls(classes, square, index)
        rows.append(row.model_copy(update={"confusion": None, "per_class": tuple(recalls), "flips": None}))
    return report.model_copy(
        update={"variants": tuple(rows), "dataset": report.dataset.model_copy(update={"classes": classes})}
    )


def regression(report: Report) -> Report:
    """Returns the report as of a model with real-valued answers."""
    rows = []
    for index, row in enumerate(report.variants):
        if row.accuracy is None:
            rows.append(row)
            continue
        value, n = 2.31 + 0.04 * index, row.accuracy.n
        worse = Drop(value=0.04 * index, low=0.03 * index, high=0.05 * index, p_value=0.01, n=n, verdict="rises")
        update = {
            "accuracy": Measured(metric="mae", value=value, low=value - 0.1, high=value + 0.1, n=n),
            "other_metrics": (Measured(metric="rmse", value=value * 1.3, low=value * 1.2, high=value * 1.4, n=n),),
            "drop": worse,
            **dict.fromkeys(("agreement", "hits", "confusion", "confidence", "flips")),
            "per_class": (),
        }
        rows.append(row.model_copy(update=update))
    assert report.dataset is not None
    return report.model_copy(
        update={"variants": tuple(rows), "dataset": report.dataset.model_copy(update={"classes": None, "kind": "npz"})}
    )


def undecided(report: Report) -> Report:
    """Returns the report with nothing that meets the limits, a failed variant and a skipped one."""
    first, *others = report.variants
    failed = VariantReport(
        name="int8",
        scheme="int8",
        status="failed",
        error="int8: the converter was killed by SIGABRT.\nIt last printed: Check failed: quantized_dimension\nTry float16.",
    )
    skipped = VariantReport(
        name="int16x8", scheme="int16x8", status="skipped", error="There are no calibration data.\nGive --calibration."
    )
    rows = (first, *(row for row in others if row.name not in ("int8", "int16x8")), failed, skipped)
    return report.model_copy(
        update={
            "variants": rows,
            "constraints": Constraints(max_size_bytes=90_000, max_accuracy_drop=0.5, deploy_on="host"),
            "recommendation": Recommendation(
                chosen=None,
                reasons=("nothing meets all limits", f"{others[0].name} comes nearest: too large"),
                rejected=tuple(
                    Rejection(name=row.name, reasons=("more bytes than the limit of 90,000",)) for row in rows
                ),
                constraints_met=False,
                nearest=others[0].name,
            ),
        }
    )


def bare(report: Report) -> Report:
    """Returns the report as of `benchmark`: files and latencies only."""
    nothing = dict.fromkeys(("accuracy", "agreement", "drop", "hits", "confusion", "confidence", "flips", "sequential"))
    rows = [row.model_copy(update={**nothing, "other_metrics": (), "per_class": ()}) for row in report.variants]
    left_out = dict.fromkeys(("source", "dataset", "contract", "recommendation"))
    return report.model_copy(update={**left_out, "variants": tuple(rows)})


def stage(kind: str, *, epochs: int = 5, ran: int | None = None, **options: Any) -> StageRecord:
    """Returns a stage that learns; with ``ran`` it stopped early."""
    generator = np.random.default_rng(len(kind))
    ran = ran or epochs
    history = tuple(
        EpochRecord(
            epoch=epoch + 1,
            loss=0.9 / (epoch + 2) + generator.uniform(0, 0.02),
            metric=0.88 - 0.2 / (epoch + 2),
            val_loss=0.9 / (epoch + 2) + 0.12,
            val_metric=0.80 - 0.1 / (epoch + 2) + generator.uniform(0, 0.01),
            learning_rate=1e-4 * (1 + np.cos(np.pi * epoch / epochs)) / 2,
            seconds=14.2,
        )
        for epoch in range(ran)
    )
    return StageRecord(
        kind=kind, epochs=epochs, steps=epochs * 71, best_epoch=ran, history=history, seconds=14.2 * ran,
        stopped="early stopping" if ran < epochs else None, **options,
    )  # fmt: skip


def training(*stages: StageRecord, **options: Any) -> TrainingRecord:
    """Returns how a variant was trained in these stages."""
    three_way = ThreeWay(
        metric="top1", samples=1000, float_model=Score(value=0.764, low=0.737, high=0.789),
        fake_quantized=Score(value=0.762, low=0.735, high=0.787), tflite=Score(value=0.761, low=0.734, high=0.786),
        gap=0.001, gap_low=-0.005, gap_high=0.007, agreement=0.991,
    )  # fmt: skip
    quantized = any(entry.kind == "quantize" for entry in stages)
    same = Parity(max_abs_difference=3.1e-7, tolerance=1e-5, samples=16, origin="given")
    values: dict[str, Any] = {
        "data": "cifar10/train", "samples": 9000, "validation": "split", "validation_samples": 1000,
        "loss": "sparse_categorical_crossentropy", "optimizer": "Adam", "learning_rate": 1e-4, "batch_size": 128,
        "steps": sum(entry.steps for entry in stages), "seed": 20210, "augmentation": "flip, shift by 4 pixels",
        "metric": "top1", "stages": stages, "left_float": ("softmax",) if quantized else (), "rebuilt": same,
        "annotated": same if quantized else None, "three_way": three_way,
        "notes": ("BatchNormalization was frozen in the last epoch.",), "tensorboard": "build/.tflitekit/logs/qat",
    }  # fmt: skip
    return TrainingRecord(**(values | options))


def compression(*, sparsity: float | None = None, clusters: int | None = None, layers: int = 12) -> Compression:
    """Returns what was counted in a file that was to have this sparsity and these clusters."""
    found = tuple(
        CompressedLayer(
            layer=f"stage{i // 4}/conv2d_{i}",
            weights=432 * (i + 1),
            sparsity=0.012 if i == 0 else (sparsity or 0.02) + 0.0004 * i,
            clusters=211 if i == 0 else (clusters or 180) - i % 3,
            compressed=i > 0,
        )
        for i in range(layers)
    )
    return Compression(
        target_sparsity=sparsity, target_clusters=clusters, sparsity=(sparsity or 0.02) + 0.002, clusters=clusters or 180,
        layers=found,
    )  # fmt: skip


def trained(report: Report) -> Report:
    """Returns the report with every kind of trained variant, controls for one stage and for two among them."""
    base, integer = report.variant("float32"), report.variant("int8")
    prune, cluster = stage("prune", sparsity=0.75), stage("cluster", clusters=16)
    rows = (
        _trained_row(base, "finetuned", training(stage("finetune")), 0.012),
        _trained_row(base, "finetuned", training(stage("finetune"), stage("finetune")), 0.014, rounds=2),
        _trained_row(base, "pruned", training(prune), 0.004, compressed=compression(sparsity=0.75), deflates=0.42),
        _trained_row(integer, "qat", training(stage("quantize")), 0.010),
        _trained_row(
            integer, "pruned_qat", training(prune, stage("quantize", sparsity=0.75)), 0.001, sparsity=0.75,
            compressed=compression(sparsity=0.75), deflates=0.48,
        ),
        _trained_row(
            integer, "clustered_qat", training(cluster, stage("quantize", ran=3, clusters=16), distill=0.5), -0.002,
            clusters=16, compressed=compression(clusters=16), deflates=0.55,
        ),
        _trained_row(
            integer, "pruned_clustered_qat",
            training(prune, cluster, stage("quantize", sparsity=0.75, clusters=16), strategy="mirrored, 2 replicas"),
            -0.009, compressed=compression(sparsity=0.75, clusters=16), deflates=0.40,
        ),
    )  # fmt: skip
    controls = {row.training.steps: row.name for row in rows if row.scheme == "finetuned" and row.training}
    found = []
    for row in rows:
        control = controls.get(row.training.steps) if row.training and row.scheme != "finetuned" else None
        if control is not None and row.drop is not None:
            loss = _loss(0.012 + row.drop.value, row.drop.n)
            found.append(row.model_copy(update={"control": control, "drop_from_control": loss}))
        else:
            found.append(row)
    return report.model_copy(update={"variants": (*report.variants, *found)})


def _trained_row(
    like: VariantReport, scheme: str, record: TrainingRecord, gain: float, *, compressed: Compression | None = None,
    deflates: float = 1.0, **options: Any,
) -> VariantReport:  # fmt: skip
    update: dict[str, Any] = {
        "name": "-".join([scheme, *(f"{key}-{value}" for key, value in options.items())]),
        "scheme": scheme,
        "options": options,
        "sha256": scheme.ljust(64, "0"),
        "file": f"{scheme}.tflite",
        "training": record,
        "compression": compressed,
        "explanation": None,
        "deflated_bytes": int((like.deflated_bytes or 0) * deflates),
    }
    if like.accuracy is not None:
        update["accuracy"] = like.accuracy.model_copy(update={"value": like.accuracy.value + gain})
        update["drop"] = _loss(-gain, like.accuracy.n)
    return like.model_copy(update=update)


def _loss(value: float, n: int) -> Drop:
    low, high = value - 0.006, value + 0.006
    verdict = "no measurable drop" if low < 0 < high else f"{'drops' if value > 0 else 'gains'} {abs(value) * 100:.1f}"
    return Drop(value=value, low=low, high=high, p_value=0.02 if abs(value) > 0.006 else 0.4, n=n, verdict=verdict)


def merged(report: Report) -> Report:
    """Returns the report with three sessions of two phones, one of them throttled and with a name that tries to be markup."""
    times = {row.name: 0.9 / (index + 1) for index, row in enumerate(report.variants) if row.status == "ok"}
    fewer = dict(list(times.items())[:-1]) if len(times) > 2 else times
    phones = [
        phone(report, times),
        phone(report, {name: ms / 2 for name, ms in times.items()}, threads=4, seed=1),
        phone(
            report, {name: ms * 3 for name, ms in fewer.items()}, target=f"android:{HOSTILE[1]}", worst="light", seed=2
        ),
    ]
    return merge(report, phones, max_latency_ms=2)


SAMPLES: dict[str, Callable[[Report], Report]] = {
    "real": lambda report: report,
    "extended": extended,
    "trained": lambda report: trained(extended(report)),
    "hostile": lambda report: hostile(trained(extended(report))),
    "classes": many_classes,
    "regression": lambda report: regression(extended(report)),
    "undecided": undecided,
    "bare": bare,
    "merged": merged,
}
"""What makes each sample of a finished report on images."""


def main(folder: Path, out: Path) -> None:
    """Writes all views of all samples."""
    from tflitekit.render import write_views

    report = read_report(folder)
    for name, make in SAMPLES.items():
        write_views(make(report), out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
