"""What became of the entries of a suite, and what of each an earlier run had finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tflitekit.core.errors import ModelError, TflitekitError, as_known
from tflitekit.core.machine import machine_name
from tflitekit.latency.benchmarking import NOT_KEPT
from tflitekit.optimization.suites.places import AbsentError
from tflitekit.optimization.suites.words import said
from tflitekit.render.suite_text import EntryResult, Taken
from tflitekit.results import Report
from tflitekit.results.report import read_report
from tflitekit.tflite.variant import read_sidecar

__all__ = ["Before", "failed", "finished"]


_Figures = tuple[float, ...]


@dataclass(frozen=True)
class Before:
    """What lay in the folder of an entry; little, since there may be many.

    Attributes:
        files: Of each ``.tflite`` file its hash, and how long it took to make.
        latencies: By file, target, protocol and threads, what tells one measurement from another.
        doubt: Why latency will be measured again; None where it will not.
    """

    files: Mapping[str, tuple[str | None, float | None]]
    latencies: Mapping[tuple[str | None, str, str, int], _Figures]
    doubt: str | None

    @classmethod
    def of(cls, folder: Path) -> Before:
        """Looks for it."""
        sidecars = [read_sidecar(path) for path in sorted(folder.glob("*.tflite"))]
        files = {one.name: (one.sha256, one.conversion_s) for one in sidecars if one is not None}
        try:
            report = read_report(folder / "report.json")
        except ModelError:  # there is none
            return cls(files, {}, None)
        doubt = next((doubt.message for doubt in report.warnings if doubt.kind in NOT_KEPT), None)
        return cls(files, _latencies(report), doubt)


def finished(name: str, folder: Path, before: Before, report: Report) -> EntryResult:
    """Returns the record of an entry that has its report."""
    places = [row.places for row in report.variants if row.places is not None]
    named = {place for at in places for place in (at.converted, *at.evaluated, at.measured) if place is not None}
    return EntryResult(
        name=name,
        status="ok",
        folder=str(folder),
        report=report,
        machines=tuple(sorted(named)) or (machine_name(),),
        taken=_taken(before, report),
    )


def failed(name: str, error: Exception) -> EntryResult:
    """Returns the record of an entry that broke, or whose files are absent."""
    known = error if isinstance(error, TflitekitError) else as_known(error)
    what, fix = said(known or TflitekitError(f"{type(error).__name__}: {error}"))
    status: Literal["failed", "skipped"] = "skipped" if isinstance(error, AbsentError) else "failed"
    return EntryResult(name=name, status=status, error=what, fix=fix)


def _taken(before: Before, report: Report) -> Taken | None:
    files = [row.name for row in report.variants if before.files.get(row.name) == (row.sha256, row.conversion_s)]
    if not files:
        return None
    old = before.latencies
    same = [old[key] == found for key, found in _latencies(report).items() if key in old]
    if not same or all(same):
        return Taken(files=tuple(files), latency="taken" if same else None)
    return Taken(files=tuple(files), latency="again", why=before.doubt)


def _latencies(report: Report) -> dict[tuple[str | None, str, str, int], _Figures]:
    return {
        (row.sha256, found.target, found.protocol, found.threads): (
            found.mean_ms,
            found.p99_ms,
            found.init_ms,
            found.runs,
        )
        for row in report.variants
        for found in (row.latency, *row.other_latencies)
        if found is not None
    }
