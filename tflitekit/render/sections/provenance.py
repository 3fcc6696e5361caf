"""Where every figure comes from: model, data, preprocessing, versions, machine."""

from __future__ import annotations

from collections.abc import Iterator

from tflitekit.data.preprocessing import is_picture
from tflitekit.render import text
from tflitekit.render.summary import places
from tflitekit.results import Conditions, Latency, Report

__all__ = ["provenance"]

Rows = list[tuple[str, str]]


def provenance(report: Report) -> list[tuple[str, Rows]]:
    """Returns groups of facts by title."""
    groups = [
        ("Model", list(_model(report))),
        ("Data", list(_data(report))),
        ("Machine", list(_machine(report))),
        *_phones(report),
        ("Versions", list(report.tool.items())),
        ("Run", list(_run(report))),
    ]
    return [(title, facts) for title, facts in groups if facts]


def _model(report: Report) -> Iterator[tuple[str, str]]:
    source = report.source
    if source is not None:
        yield "Location", source.location
        if source.sha256:
            yield "SHA-256", source.sha256
        if source.kind:
            yield "Kind", source.kind
        if source.loader:
            yield "Loaded with", source.loader
        if source.parameters is not None:
            yield "Parameters", f"{source.parameters:,}"
        if source.proof is not None:
            yield "Proof", str(source.proof)
        for note in source.notes:
            yield "Note", note
    contract = report.contract
    if contract is not None:
        if any(is_picture(spec.shape[1:]) for spec in contract.inputs):
            yield "Preprocessing", contract.preprocessing.describe()
        if contract.sound is not None:
            yield "Sound", contract.sound.describe()
        yield "Output", contract.output_meaning
        if contract.labels:
            yield "Labels", f"{len(contract.labels):,} names"


def _data(report: Report) -> Iterator[tuple[str, str]]:
    data = report.dataset
    if data is None:
        return
    of = f" of {data.available:,}" if data.available is not None and data.available != data.samples else ""
    yield "Evaluation", data.location
    yield "Kind", data.kind
    yield "Samples", f"{data.samples:,}{of}"
    if data.classes:
        yield "Classes", f"{len(data.classes):,}"
    if data.sha256:
        yield "SHA-256", data.sha256
    if data.seed is not None:
        yield "Seed", str(data.seed)
    if data.skipped:
        rest = f" and {len(data.skipped) - 5:,} more" if len(data.skipped) > 5 else ""
        yield "Unreadable", "; ".join(data.skipped[:5]) + rest
    if data.calibration_location:
        yield "Calibration", data.calibration_location
    if data.calibration_samples is not None:
        yield "Calibration samples", f"{data.calibration_samples:,}"
    if data.calibration_sha256:
        yield "Calibration SHA-256", data.calibration_sha256


def _machine(report: Report) -> Iterator[tuple[str, str]]:
    for name, value in report.machine.items():
        if isinstance(value, dict):
            yield _title(name), ", ".join(f"{key}: {'yes' if has else 'no'}" for key, has in value.items())
        elif name == "memory_bytes" and isinstance(value, int):
            yield "Memory", text.size(value)
        elif value is not None:
            yield _title(name), str(value)


def _phones(report: Report) -> Iterator[tuple[str, Rows]]:
    """Returns the facts about each configuration of a phone that was merged in."""
    for place in places(report):
        found = next(iter(place.latencies.values()))
        if found.target_kind != "host":
            yield place.label, list(_phone(found))


def _phone(found: Latency) -> Iterator[tuple[str, str]]:
    for name, value in found.machine.items():
        if value is not None:
            yield _title(name), str(value)
    yield "Threads", str(found.threads)
    if found.accelerator is not None:
        yield "Accelerator", found.accelerator.delegate or found.accelerator.actual
    if found.conditions is not None:
        yield from _conditions(found.conditions)


def _conditions(found: Conditions) -> Iterator[tuple[str, str]]:
    before, after = found.before, found.after
    if found.worst_thermal_status is not None:
        yield (
            "Thermal status",
            f"{before.thermal_status}, then {after.thermal_status}; at most {found.worst_thermal_status}",
        )
    if before.battery_percent is not None and after.battery_percent is not None:
        charging = ", charging" if before.charging or after.charging else ""
        yield "Battery", f"{before.battery_percent}%, then {after.battery_percent}%{charging}"
    if before.battery_celsius is not None and after.battery_celsius is not None:
        yield "Battery temperature", f"{before.battery_celsius:.1f} °C, then {after.battery_celsius:.1f} °C"
    if before.cpu_celsius is not None and after.cpu_celsius is not None:
        yield "Processor temperature", f"{before.cpu_celsius:.1f} °C, then {after.cpu_celsius:.1f} °C"
    if after.cpu_mhz is not None:
        most = f" of at most {after.cpu_max_mhz:.0f} MHz" if after.cpu_max_mhz is not None else ""
        yield "Clock afterwards", f"{after.cpu_mhz:.0f} MHz{most}"
    if before.governors:
        yield "Governor", ", ".join(before.governors)
    if after.throttled is not None:
        yield (
            "Held back",
            "; ".join((*after.throttled, *(f"earlier: {w}" for w in after.throttled_since_start or ()))) or "no",
        )
    if before.power_save is not None:
        yield "Power saving", "on" if before.power_save or after.power_save else "off"


def _title(name: str) -> str:
    return {"cpu": "CPU"}.get(name, name.replace("_", " ").capitalize())


def _run(report: Report) -> Iterator[tuple[str, str]]:
    yield "Made", report.created
    yield "Schema version", str(report.schema_version)
    found = next((row.latency for row in report.variants if row.latency), None)
    if found is not None:
        yield "Latency protocol", f"{found.protocol}, {text.counted(found.threads, 'thread')}"
        yield "Runtime", found.runtime
    yield "Deploy on", report.constraints.deploy_on
