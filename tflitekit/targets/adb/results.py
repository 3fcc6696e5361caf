"""What several phones found, as one answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tflitekit.core.errors import TflitekitError
from tflitekit.results import Finding, Latency, OnTarget, Report
from tflitekit.targets import OwnBenchmark
from tflitekit.targets.adb.measuring import OnPhone
from tflitekit.targets.adb.verification import RunCheck, Verification

__all__ = ["joined", "together"]


def joined(found: Mapping[str, OnPhone], failed: Sequence[TflitekitError]) -> OwnBenchmark:
    """Returns the reports and checks of all phones; why others have none is among the doubts.

    Args:
        found: By serial number. Phones of one model get it into their names.
    """
    names = {serial: _first(phone).target for serial, phone in found.items()}
    several = {name for name, count in Counter(names.values()).items() if count > 1}
    names = {serial: f"{name}, {serial}" if name in several else name for serial, name in names.items()}
    doubts = [_doubt(error) for error in failed]
    reports: list[Report] = []
    checks: dict[str, tuple[OnTarget, ...]] = {}
    for serial, phone in found.items():
        reports += [_renamed(report, names[serial]) for report in phone.reports]
        for run in phone.verification.runs:
            check = _check(run, names[serial], phone)
            checks[run.variant] = (*checks.get(run.variant, ()), check)
            doubts += _unlike(run, names[serial])
        doubts += _unlike_images(phone.verification, names[serial])
    return OwnBenchmark(reports=tuple(reports), checks=checks, doubts=tuple(doubts))


def together(failed: Sequence[TflitekitError]) -> TflitekitError:
    """Returns one error for all phones, none of which has a result."""
    first, *others = failed
    if not others:
        return first
    reasons = "\n".join(error.what + (f" ({error.why})" if error.why else "") for error in failed)
    fixes = dict.fromkeys(error.fix for error in failed if error.fix)
    return type(first)(f"None of {len(failed)} phones has a result.", why=reasons, fix="\n".join(fixes) or None)


def _first(phone: OnPhone) -> Latency:
    return next(row.latency for row in phone.reports[0].variants if row.latency is not None)


def _renamed(report: Report, target: str) -> Report:
    rows = [
        row.model_copy(update={"latency": row.latency and row.latency.model_copy(update={"target": target})})
        for row in report.variants
    ]
    return report.model_copy(update={"variants": tuple(rows)})


def _doubt(error: TflitekitError) -> Finding:
    return Finding(kind="phone-not-measured", message=" ".join(filter(None, (error.what, error.why))), advice=error.fix)


def _check(run: RunCheck, target: str, phone: OnPhone) -> OnTarget:
    """Returns how the golden samples came out on a phone."""
    latency = _first(phone)
    common = {
        "target": target, "target_kind": latency.target_kind, "good_for": latency.good_for, "runtime": latency.runtime,
        "machine": latency.machine,
    }  # fmt: skip
    if run.verdict == "error":
        return OnTarget(**common, refused=run.message or "The app does not say why.")
    return OnTarget(
        **common,
        samples=len(run.samples),
        identical=sum(sample.output_difference == 0 for sample in run.samples),
        deviation=run.output_difference if run.tolerance is not None and run.tolerance.unit == "real" else None,
    )


def _unlike(run: RunCheck, target: str) -> list[Finding]:
    if run.verdict != "failed":
        return []
    allowed = run.tolerance.max_difference if run.tolerance is not None else None
    told = (
        f": the output '{run.output}' differs by {run.output_difference:.3g}, and {allowed:.3g} is allowed"
        if allowed is not None and run.output_difference is not None
        else ""
    )
    return [
        Finding(
            kind="not-as-on-host",
            message=f"{target}: {run.variant} does not compute what this host computes{told}.",
            advice="Open Verify in the app, which shows each sample. Its accuracy was measured on this host and may be another one there.",
        )
    ]


def _unlike_images(found: Verification, target: str) -> list[Finding]:
    other = [image.sample for image in found.images if image.verdict in ("failed", "error")]
    if not other:
        return []
    return [
        Finding(
            kind="not-as-on-host",
            message=f"{target}: {len(other)} of {len(found.images)} golden images become other pixels there than on this host.",
            advice="Open Verify in the app, which shows each image. What the model gets there is not what its accuracy was measured on.",
        )
    ]
