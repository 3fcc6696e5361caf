"""The verb *merge*: what phones measured joins the report of the host, and then decides.

A pure function of reports. Figures and ratios are derived again from the raw samples of each session, so that all come
from one method, and never mix two targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tflitekit.core.arguments import as_list
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.latency.battery import battery_energy
from tflitekit.latency.figures import recomputed
from tflitekit.latency.lints import lint_device, lint_loads
from tflitekit.results import Energy, Finding, Latency, Report, Sustained, VariantReport, read_report
from tflitekit.results.recommendation import UNFIT, recommend

__all__ = ["is_merged", "merge"]

Given = Report | str | Path
_MISSING = "not-measured-on-phone"
_OF_HOST = {
    "noisy-machine", "other-load", "budget-spent", "few-samples", "median-mean-disagree", "no-int8-instructions",
    "timer-too-coarse", "reference-kernels", "partial-delegation",
}  # fmt: skip
_Loads = dict[tuple[str, str], Sustained]
_Failures = dict[tuple[str, str], str]
Session = Mapping[str, Latency]
"""The latencies of the variants that took turns under one configuration, by name."""


class _Configuration(NamedTuple):
    """What one session has in common."""

    target: str
    threads: int
    accelerator: str
    protocol: str

    @classmethod
    def of(cls, latency: Latency) -> _Configuration:
        accelerator = latency.accelerator.requested if latency.accelerator else "cpu"
        return cls(latency.target, latency.threads, accelerator, latency.protocol)

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.target}, {threads}, {self.accelerator}"


class _Phones(NamedTuple):
    """What phones measured.

    Attributes:
        loads: What each did under load for minutes, by target and variant.
        failures: Why a variant was not measured, by target and variant.
    """

    sessions: Mapping[_Configuration, Session]
    loads: _Loads
    failures: _Failures

    def first(self) -> dict[str, Session]:
        """Returns the session of each target that counts for it."""
        found: dict[str, Session] = {}
        for configuration, session in self.sessions.items():
            found.setdefault(configuration.target, session)
        return found


def is_merged(report: Report) -> bool:
    """Tells whether latencies of the host and of other targets are in a report."""
    return {latency.counts for row in report.variants for latency in _latencies(row)} == {True, False}


def merge(report: Given, measured: Given | Iterable[Given], *, max_latency_ms: float | None = None) -> Report:
    """Puts what phones measured beside what the host measured, and recommends anew: the phones' latency decides.

    The first configuration of each phone (threads, accelerator) is the one that counts for it, as on the host. Of several
    phones the slowest counts, variant by variant, so that a limit that is met is met on all of them.

    Args:
        report: Of `optimize`, or one that phones were merged into before.
        measured: One or several reports that the Android app wrote for a bundle of this report's variants.
        max_latency_ms: Replaces the report's own limit.

    Returns:
        The report with the deciding latency of each variant in ``latency`` and all others in ``other_latencies``, those of
        the host last; a variant that was not measured on every phone has no deciding one.

    Raises:
        UsageError: Reports that do not go together: another file, an unknown variant, several protocols, a
            configuration twice, no variant that all phones measured, a limit below zero, or a report whose model is meant
            for the host.
        ModelError: A report is missing or malformed, does not come from a phone, or has no usable samples.

    Example:
        >>> report = tk.merge("build/report.json", "phone.json", max_latency_ms=20)
        >>> print(report.recommendation.chosen)
    """
    if max_latency_ms is not None and not max_latency_ms >= 0:
        raise UsageError(f"--max-latency cannot be {max_latency_ms:g}.", fix="Give zero or more.")
    base = _read(report)
    if base.constraints.deploy_on == "host":
        raise UsageError(
            "The report was made with --deploy-on host: the latency of that host decides, so phones do not count.",
            fix="Run 'tflitekit optimize' again without --deploy-on host; finished files are reused.",
        )
    sessions, loads, failures = _sessions([base]), _loads([base]), _Failures()
    for number, given in enumerate(as_list(measured, Report), 1):
        label = f"report {number}" if isinstance(given, Report) else str(given)
        found = _read(given)
        _check_phone(found, label, base)
        for configuration, session in _sessions([found]).items():
            if configuration in sessions:
                raise UsageError(
                    f"{label} measures again what the report already has: {configuration}.",
                    fix="Give one of the two reports.",
                )
            sessions[configuration] = session
        loads |= _loads([found])
        failures |= _failures(found)
    if not sessions:
        raise UsageError("There is no phone's report to merge.", fix="Give one or more after the first report.")
    _check_protocols(sessions)
    derived = {configuration: _derived(session, base.baseline) for configuration, session in sessions.items()}
    return _joined(base, _Phones(derived, loads, failures), max_latency_ms)


def _read(given: Given) -> Report:
    return given if isinstance(given, Report) else read_report(given)


def _latencies(row: VariantReport) -> list[Latency]:
    return [latency for latency in (row.latency, *row.other_latencies) if latency is not None]


def _sessions(reports: Sequence[Report]) -> dict[_Configuration, dict[str, Latency]]:
    """Returns the sessions on other targets than a host, in the order in which they were given."""
    found: dict[_Configuration, dict[str, Latency]] = {}
    for report in reports:
        for row in report.variants:
            for latency in _latencies(row):
                if latency.counts:
                    found.setdefault(_Configuration.of(latency), {})[row.name] = latency
    return found


def _loads(reports: Sequence[Report]) -> _Loads:
    """Returns what phones did under load, by phone and variant, with the energy that their batteries tell."""
    found = {}
    for report in reports:
        for row in report.variants:
            target = next((latency.target for latency in _latencies(row) if latency.counts), None)
            load = row.sustained
            if load is not None and target is not None and (load.target or load.states):
                energy = battery_energy(load)
                told = energy if isinstance(energy, Energy) else None
                found[load.target or target, row.name] = load.model_copy(
                    update={"target": load.target or target, "energy": told}
                )
    return found


def _failures(report: Report) -> _Failures:
    """Returns why a phone did not measure variants, in the app's words."""
    targets = {latency.target for row in report.variants for latency in _latencies(row) if latency.counts}
    return {(target, row.name): row.error for target in targets for row in report.variants if row.error}


def _check_phone(found: Report, label: str, base: Report) -> None:
    timed = [(row, latency) for row in found.variants for latency in _latencies(row)]
    if not timed:
        failed = next((row.error for row in found.variants if row.error), None)
        raise ModelError(
            f"{label} has no latencies.", why=failed, fix="Measure again in the app, and give that report."
        )
    host = next((latency for _, latency in timed if not latency.counts), None)
    if host is not None:
        raise ModelError(
            f"{label} is not a phone's report: its latency was measured on {host.target}.",
            fix="Give a report that the Android app's benchmark wrote.",
        )
    known = {row.name: row for row in base.variants}
    for row in found.variants:
        if row.name not in known:
            raise UsageError(
                f"{label} measures a variant '{row.name}' that the report does not have.",
                why=f"It has {', '.join(known)}.",
                fix="Give the report that the bundle was made from.",
            )
        if row.sha256 is None or row.sha256 != known[row.name].sha256:
            raise UsageError(
                f"{label} measures another file as '{row.name}' than the report.",
                why=f"The phone's has the SHA-256 {row.sha256}, the report's {known[row.name].sha256}.",
                fix="Make a bundle of this report, build the app with it and measure again.",
            )
    for row, latency in timed:
        _check_samples(row.name, latency, label)


def _check_samples(name: str, latency: Latency, label: str) -> None:
    if latency.statistic == "throughput":
        raise ModelError(f"{label} has throughputs of '{name}', which cannot be derived from its samples.")
    rounds = latency.samples.rounds() if latency.samples else []
    if not rounds or not all(part.size for part in rounds):
        raise ModelError(
            f"{label} has no raw samples of '{name}', so its figures cannot be derived.",
            fix="Give the report as the app wrote it.",
        )
    times = np.concatenate(rounds)
    if not np.all(np.isfinite(times) & (times > 0)):
        raise ModelError(
            f"{label} has samples of '{name}' that are not times: all must be finite and above zero.",
            fix="Give the report as the app wrote it.",
        )


def _check_protocols(sessions: Iterable[_Configuration]) -> None:
    by_protocol = {configuration.protocol: configuration for configuration in sessions}
    if len(by_protocol) > 1:
        (name, first), (other, second), *_ = by_protocol.items()
        raise UsageError(
            f"The phones were measured with different protocols: {first.target} with {name}, {second.target} with {other}.",
            why="Figures of different protocols are not compared.",
            fix="Use the same protocol for all.",
        )


def _derived(session: Session, baseline: str | None) -> dict[str, Latency]:
    base = session.get(baseline) if baseline is not None else None
    return {
        name: recomputed(latency, None if name == baseline else base, baseline) for name, latency in session.items()
    }


def _joined(base: Report, phones: _Phones, max_latency_ms: float | None) -> Report:
    sessions, first = phones.sessions, phones.first()
    rows = [_row(row, phones) for row in base.variants]
    if all(row.latency is None for row in rows):
        raise UsageError(
            f"No variant was measured on all phones ({', '.join(first)}), so none can be recommended.",
            fix="Measure the same bundle on each.",
        )
    doubts = {configuration: lint_device(str(configuration), session) for configuration, session in sessions.items()}
    told = [doubt for found in doubts.values() for doubt in found] + lint_loads(phones.loads)
    warnings = dict.fromkeys([*map(_located, base.warnings), *told])
    constraints = base.constraints
    if max_latency_ms is not None:
        constraints = constraints.model_copy(update={"max_latency_ms": max_latency_ms})
    merged = base.model_copy(update={"variants": tuple(rows), "warnings": tuple(warnings), "constraints": constraints})
    if base.recommendation is None:
        return merged
    throttled = [
        f"caution: {doubt.message}" for found in doubts.values() for doubt in found if doubt.kind == "throttled"
    ]
    answer = recommend(
        rows,
        constraints,
        baseline=base.baseline,
        latency_is_of_target=True,
        data=base.dataset.location if base.dataset else None,
        cautions=throttled,
        unfit=next((doubt for doubt in base.warnings if doubt.kind in UNFIT), None),
        hardware=base.hardware,
    )
    return merged.model_copy(update={"recommendation": answer})


def _located(doubt: Finding) -> Finding:
    """Returns a doubt about latency with where it was measured: before the merge, that was the host only."""
    if doubt.kind not in _OF_HOST or doubt.message.startswith(("host: ", "android:")):
        return doubt
    return doubt.model_copy(update={"message": f"host: {doubt.message}"})


def _row(row: VariantReport, phones: _Phones) -> VariantReport:
    """Returns a row with the slowest phone's latency, and its load, in front; with no latency where a phone is missing."""
    first = phones.first()
    measured = [session[row.name] for session in first.values() if row.name in session]
    missing = [target for target, session in first.items() if row.name not in session]
    slowest = max(measured, key=lambda latency: latency.deciding_ms) if measured and not missing else None
    others = [session[row.name] for session in phones.sessions.values() if row.name in session]
    others += [latency for latency in _latencies(row) if not latency.counts]
    load = phones.loads.get((slowest.target, row.name)) if slowest else None
    notes = [_located(note) for note in row.warnings if note.kind != _MISSING]
    if row.status == "ok" and missing:
        reasons = dict.fromkeys(reason for target in missing if (reason := phones.failures.get((target, row.name))))
        text = f"Latency was not measured on {' and '.join(missing)}, so this variant cannot be recommended."
        advice = None if reasons else "Add it to the bundle and measure it in the app."
        note = Finding(kind=_MISSING, message=" ".join([text, *reasons]), advice=advice)
        notes.append(next((old for old in row.warnings if old.message.startswith(note.message)), note))
    return row.model_copy(
        update={
            "latency": slowest,
            "sustained": load or row.sustained,
            "other_latencies": tuple(latency for latency in others if latency is not slowest),
            "warnings": tuple(notes),
        }
    )
