"""The verb *compare*: what changed between two reports, and whether it got worse than a team allows.

Everything here is a pure function of two reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tflitekit.core.errors import UsageError
from tflitekit.options.base import takes
from tflitekit.options.compare import CompareOptions
from tflitekit.results import Finding, Report, VariantReport, read_report
from tflitekit.results.comparison.accuracy import (
    SharedData,
    compare_accuracy,
    compare_fidelity,
    compare_outputs,
    compare_recalls,
    shared_data,
    unlike_metrics,
)
from tflitekit.results.comparison.gates import judge_gates, judge_presence
from tflitekit.results.comparison.latency import Control, compare_latency, find_control, unlike_latency
from tflitekit.results.comparison.results import (
    Change,
    Comparison,
    GateResult,
    Side,
    TargetChange,
    VariantChange,
)
from tflitekit.results.comparison.targets import compare_targets

__all__ = ["Change", "Comparison", "GateResult", "Side", "TargetChange", "VariantChange", "compare"]


@takes(CompareOptions)
def compare(old: Report | str | Path, new: Report | str | Path, *, how: CompareOptions) -> Comparison:
    """Compares two reports variant by variant, with 95 % intervals, and judges the limits that are given.

    A limit is *broken* if the whole interval lies beyond it, and *undecided* if only the estimate does. A variant that was
    ok in the old report and failed in the new one counts as broken without any limit.

    Args:
        old: The accepted report, its file, or its folder.
        new: The report to judge, its file, or its folder.

    Returns:
        The changes of each variant, and the state of each gate.

    Raises:
        ModelError: A report is missing, malformed, or of an unknown version.
        UsageError: A limit is negative, a variant unknown, or a limit cannot be judged because the figures were not
            measured under the same conditions.

    Example:
        >>> changes = tk.compare("accepted", "build", max_accuracy_drop=1, max_size_increase=5)
        >>> print([gate.message for gate in changes.broken])
    """
    limits = {name.replace("_", "-"): value for name, value in how if name.startswith("max_") and value is not None}
    first, second = (report if isinstance(report, Report) else read_report(report) for report in (old, new))
    data, control = shared_data(first, second), find_control(first, second)
    changes = tuple(_compare_pair(*pair, data, control) for pair in _pairs(first, second, how.variants))
    accepted = first.recommendation.chosen if first.recommendation else None
    gates = (*judge_presence(changes, accepted), *judge_gates(changes, limits, allow_unlike=how.allow_unlike))
    return Comparison(
        old=_side(old, first),
        new=_side(new, second),
        variants=changes,
        gates=gates,
        warnings=(
            *_warnings(first, second, changes),
            *_hardware(first, second),
            *_drift(first.baseline, control, changes),
        ),
    )


def _side(given: Report | str | Path, report: Report) -> Side:
    return Side(
        location="a report in memory" if isinstance(given, Report) else str(given),
        created=report.created,
        source_sha256=report.source.sha256 if report.source else None,
        chosen=report.recommendation.chosen if report.recommendation else None,
        tool=report.tool,
    )


Pair = tuple[VariantReport | None, VariantReport | None]


def _pairs(old: Report, new: Report, wanted: Iterable[str] | None) -> list[Pair]:
    """Returns the variants that belong together, in the new report's order, the removed ones last."""
    before, after = ({v.name: v for v in report.variants} for report in (old, new))
    if wanted is None:
        removed: list[Pair] = [(v, None) for name, v in before.items() if name not in after]
        return [(before.get(name), v) for name, v in after.items()] + removed
    pairs: list[Pair] = []
    for text in wanted:
        first, renamed, second = text.partition("=")
        second = second if renamed else first
        there = (first in before, second in after)
        if not (all(there) if renamed else any(there)):
            where = "; ".join(f"{w}: {', '.join(names)}" for w, names in (("old", before), ("new", after)))
            raise UsageError(f"There is no variant '{text}' in the reports.", fix=f"Variants of the reports: {where}.")
        pairs.append((before.get(first), after.get(second)))
    if not pairs:
        raise UsageError("No variant was named.", fix="Leave out --variants to compare all.")
    return pairs


def _compare_pair(
    old: VariantReport | None, new: VariantReport | None, data: SharedData, control: Control | None
) -> VariantChange:
    row = new or old
    assert row is not None
    if old is None or new is None:
        return VariantChange(
            name=row.name,
            old_name=old.name if old else None,
            presence="new" if new else "removed",
            old_status=old.status if old else None,
            new_status=new.status if new else None,
            error=new.error if new else None,
        )
    found: list[Change | None] = []
    if old.status == new.status == "ok":
        found = [
            compare_accuracy(old, new, data),
            *compare_outputs(old, new, data),
            compare_fidelity(old, new, data),
            Change.of_sizes("size", old.size_bytes, new.size_bytes),
            Change.of_sizes("deflated", old.deflated_bytes, new.deflated_bytes),
            compare_latency(old, new, control),
            _compare_memory(old, new),
            *compare_recalls(old, new, data),
        ]
    return VariantChange(
        name=new.name,
        old_name=old.name,
        presence="both",
        old_status=old.status,
        new_status=new.status,
        same_file=old.sha256 is not None and old.sha256 == new.sha256,
        sha256=new.sha256,
        error=new.error,
        changes=tuple(change for change in found if change is not None),
        targets=compare_targets(old, new, data),
    )


def _compare_memory(old: VariantReport, new: VariantReport) -> Change | None:
    """Memory has no interval: each report has one value."""
    change = Change.of_sizes("memory", old.peak_memory_bytes, new.peak_memory_bytes)
    if change is None or old.latency is None or new.latency is None:
        return None
    unlike = unlike_latency(old.latency, new.latency)
    return change.model_copy(update={"method": "single", "low": None, "high": None, "unlike": unlike})


def _warnings(old: Report, new: Report, variants: Sequence[VariantChange]) -> list[Finding]:
    warnings = []
    changes = [change for variant in variants for change in variant.changes]
    for kind, figures, what in (
        ("unlike-data", ("accuracy", "recall"), "Accuracy"),
        ("unlike-data", ("fidelity",), "Fidelity"),
        ("unlike-latency", ("latency", "memory"), "Latency and memory"),
    ):
        differences = dict.fromkeys(text for c in changes if c.figure in figures for text in c.unlike)
        if differences:
            text = f"{what} cannot be compared. Not the same in both: {'; '.join(differences)}."
            warnings.append(Finding(kind=kind, message=text, advice="Measure both in the same way."))
    pairs = _pairs(old, new, None)
    for told in dict.fromkeys(unlike_metrics(was, now) for was, now in pairs if was is not None and now is not None):
        if told is None:
            continue
        text = f"Accuracy cannot be compared. Not the same in both: {told}."
        warnings.append(
            Finding(kind="unlike-metric", message=text, advice="Measure both by the same metric (--metric).")
        )
    warnings += _unpaired(changes)
    names = sorted({*old.tool, *new.tool})
    versions = [
        f"{name} {old.tool.get(name, 'none')} -> {new.tool.get(name, 'none')}"
        for name in names
        if old.tool.get(name) != new.tool.get(name)
    ]
    if versions:
        warnings.append(Finding(kind="versions-differ", message=f"Versions changed: {', '.join(versions)}."))
    return warnings


def _unpaired(changes: Sequence[Change]) -> list[Finding]:
    """Says that shares on the same data were not compared sample by sample."""
    metrics = {
        c.metric for c in changes if c.figure == "accuracy" and c.method == "unpaired" and not c.unlike and c.is_share
    }
    if not metrics:
        return []
    text, advice = (
        "Accuracy was compared as if on independent samples: the reports do not say which samples were right.",
        ("Reports of this version on the same data are compared sample by sample, which reveals far smaller changes."),
    )
    if not metrics & {"top1", "agreement"}:
        text = (
            "Accuracy was compared as if on independent samples: of this metric, reports hold no figure of each sample."
        )
        advice = "'tflitekit evaluate OLD.tflite NEW.tflite' compares two files sample by sample, which reveals far smaller changes."
    return [Finding(kind="unpaired", message=text, advice=advice)]


def _hardware(old: Report, new: Report) -> list[Finding]:
    """Says which variants the hardware takes otherwise than before; of two kinds of hardware it says only that."""
    if old.hardware is None or new.hardware is None:
        return []
    if old.hardware.name != new.hardware.name:
        text = f"The reports are for other hardware: {old.hardware.name} before, {new.hardware.name} now."
        return [Finding(kind="unlike-hardware", message=text)]
    before = {row.name: row.hardware for row in old.variants}
    changed = [
        f"{row.name} ({was.verdict} before, {row.hardware.verdict} now)"
        for row in new.variants
        if row.hardware is not None
        and (was := before.get(row.name)) is not None
        and was.verdict != row.hardware.verdict
    ]
    if not changed:
        return []
    text = f"What {new.hardware.name} would do with a file changed: {', '.join(changed)}."
    return [Finding(kind="hardware-verdict", message=text, advice="'tflitekit check FILE --on PROFILE' says why.")]


def _drift(baseline: str | None, control: Control | None, variants: Sequence[VariantChange]) -> list[Finding]:
    judged = [change for variant in variants if not variant.same_file for change in variant.changes]
    if baseline is None or control is None or not any(change.method == "controlled" for change in judged):
        return []
    ratio = control[1].median_ms / control[0].median_ms - 1
    text = (
        f"{baseline} is the same file in both reports, but its latency changed by {ratio:+.1%} with the machine: the "
        "others are compared relative to it."
    )
    return [Finding(kind="machine-drift", message=text)]
