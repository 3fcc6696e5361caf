"""What several views show and the report only implies: groups, orders, fronts. Nothing here measures or decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tflitekit.render import text

if TYPE_CHECKING:
    from tflitekit.results import ClassRecall, Finding, Latency, OutputFidelity, Report, VariantReport

__all__ = [
    "ClassLoss",
    "Place",
    "Refused",
    "Said",
    "Warned",
    "by_reference",
    "caution",
    "class_count",
    "class_figure",
    "class_losses",
    "class_noun",
    "fidelity_table",
    "further_warnings",
    "group_findings",
    "grouped_warnings",
    "higher_is_better",
    "latency_conditions",
    "latency_is_of_host",
    "model_name",
    "ordered_classes",
    "pareto_front",
    "places",
    "places_table",
    "reference",
    "refused",
    "scored_on",
    "subject",
    "where_made",
]


class Said(NamedTuple):
    """A message, once, with the names of the variants that it is about; none if it is about the run."""

    message: str
    variants: tuple[str, ...]


class Warned(NamedTuple):
    """Messages of one kind with the same advice, which is then said once."""

    kind: str
    advice: str | None
    said: tuple[Said, ...]

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants that it is about."""
        return tuple(dict.fromkeys(name for said in self.said for name in said.variants))


# What a reader must know first: no figure counts, or a variant is broken. Then what is wrong with data and files; last what only
# makes latencies less certain.
_GRAVE = (
    "no-baseline", "not-evaluated", "chance", "class-numbers", "other-preprocessing", "broken-part", "constant-output", "damaged-part", "collapsed-confidence",
    "trained-on-evaluation-data", "saturated-output", "coarse-output",
)  # fmt: skip
_CLOCK = {
    "noisy-machine": "wide intervals",
    "other-load": "other programs were busy",
    "budget-spent": "the protocol ran out of time",
    "few-samples": "few samples",
    "median-mean-disagree": "median and mean disagree",
    "timer-too-coarse": "a coarse clock",
}


def _weight(kind: str) -> int:
    return _GRAVE.index(kind) if kind in _GRAVE else len(_GRAVE) + (kind in _CLOCK)


def grouped_warnings(report: Report) -> list[Warned]:
    """Returns each warning once, the gravest first, then those about the run; without advice, each message stands alone."""
    return group_findings(report.warnings, {row.name: row.warnings for row in report.variants})


def group_findings(run: Sequence[Finding], variants: Mapping[str, Sequence[Finding]]) -> list[Warned]:
    """Does that for findings about a run and about variants, by name."""
    found: dict[Finding, list[str]] = {finding: [] for finding in run}
    for name, findings in variants.items():
        for finding in findings:
            names = found.setdefault(finding, [])
            if name not in names and finding not in run:
                names.append(name)
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(found, key=lambda finding: _weight(finding.kind)):
        groups.setdefault((finding.kind, finding.advice or finding.message), []).append(finding)
    return [
        Warned(group[0].kind, group[0].advice, tuple(Said(finding.message, tuple(found[finding])) for finding in group))
        for group in groups.values()
    ]


class Refused(NamedTuple):
    """Variants that were not chosen, all for the same reasons, and what to do about those."""

    variants: tuple[str, ...]
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


def refused(report: Report) -> list[Refused]:
    """Returns why the variants that work were not chosen; what failed or was skipped is said elsewhere."""
    able = {row.name: row for row in report.variants if row.status == "ok"}
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for other in report.recommendation.rejected if report.recommendation else ():
        if other.name in able:
            advice = tuple(f.advice for f in able[other.name].warnings if f.advice and _said(f, other.reasons))
            groups.setdefault((other.reasons, tuple(dict.fromkeys(advice))), []).append(other.name)
    return [Refused(tuple(names), reasons, advice) for (reasons, advice), names in groups.items()]


def further_warnings(report: Report) -> list[Warned]:
    """Returns the warnings that are no reasons of the recommendation as well, with doubts about latencies in one line."""
    answer = report.recommendation
    reasons = {other.name: other.reasons for other in answer.rejected} if answer else {}
    run = [finding for finding in report.warnings if not _said(finding, answer.reasons if answer else ())]
    rows = {
        row.name: [finding for finding in row.warnings if not _said(finding, reasons.get(row.name, ()))]
        for row in report.variants
    }
    found = group_findings(run, rows)
    doubts = [warned for warned in found if warned.kind in _CLOCK]
    if len(doubts) < 2:
        return found
    words = ", ".join(dict.fromkeys(_CLOCK[warned.kind] for warned in doubts))
    one = Warned(
        "latency-doubts",
        "Close other programs and measure again, or longer with --protocol mlperf-mobile; report.html has the details.",
        (Said(f"Latencies are less certain than they could be: {words}.", ()),),
    )
    return [*(warned for warned in found if warned.kind not in _CLOCK), one]


def _said(finding: Finding, reasons: Sequence[str]) -> bool:
    return any(finding.message.rstrip(".").lower() in reason.lower() for reason in reasons)


def caution(reason: str) -> bool:
    """Tells whether a reason of the recommendation qualifies it instead of supporting it."""
    return reason.startswith("caution:") or "not measured on the target" in reason


def model_name(report: Report) -> str:
    """Returns the last part of the model's location, or the files that were measured."""
    if report.source is None:
        names = [row.name for row in report.variants]
        return text.listed(names) if len(names) <= 3 else f"{len(names)} files"
    return report.source.location.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or report.source.location


def by_reference(report: Report) -> bool:
    """Tells whether the data have no labels, so that variants were compared with the baseline."""
    return report.dataset is not None and report.dataset.reference == "baseline"


def scored_on(report: Report) -> str:
    """Returns what was measured, and on what: 'Accuracy on 5,000 samples of photos/test'; nothing where nothing was scored."""
    data = report.dataset
    if data is None:
        return ""
    titles = text.figure_columns(data, report.variants)
    what = titles["Accuracy"]
    if by_reference(report):
        what += f" {'with' if what == 'Agreement' else 'to'} {report.baseline}"
    return f"{what} on {text.counted(data.samples, 'sample')} of {data.location}"


def reference(report: Report) -> VariantReport | None:
    """Returns the baseline's row."""
    return next((row for row in report.variants if row.name == report.baseline), None)


def subject(report: Report) -> VariantReport | None:
    """Returns the row that the report is about: the chosen variant, else the nearest, else the last that works."""
    answer = report.recommendation
    wanted = (answer.chosen or answer.nearest) if answer else None
    able = [row for row in report.variants if row.status == "ok"]
    return next((row for row in able if row.name == wanted), able[-1] if able else None)


def latency_is_of_host(report: Report) -> bool:
    """Tells whether all latencies are of the machine that ran the kit, while the model is meant for another."""
    latencies = [row.latency for row in report.variants if row.latency]
    return report.constraints.deploy_on != "host" and not any(found.counts for found in latencies)


def higher_is_better(report: Report) -> bool:
    """Tells which way the metric goes: a drop is positive where a variant is worse."""
    base = reference(report) or subject(report)
    if base is None or base.figure is None:
        return True
    if base.figure.higher_is_better is not None:
        return base.figure.higher_is_better
    if base.figure.metric in ("mae", "rmse"):
        return False
    for row in report.variants:
        if row.accuracy and row.drop and row.drop.value and row.accuracy.value != base.figure.value:
            return (row.accuracy.value < base.figure.value) == (row.drop.value > 0)
    return True


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tells of each (cost, gain) whether no other has at most its cost and at least its gain, and one of them better."""
    return [not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points) for cost, gain in points]


def latency_conditions(report: Report) -> str:
    """Returns in a sentence where, how and with what latency was measured; nothing if it was not."""
    deciding = {row.latency.target: row.latency for row in report.variants if row.latency}
    if not deciding:
        return ""
    found = next(iter(deciding.values()))
    statistic = {"median": "the median", "p90": "the 90th percentile", "throughput": "the throughput"}[found.statistic]
    where = text.listed([f"{one.target} ({one.machine.get('cpu', 'unknown processor')})" for one in deciding.values()])
    how = f"{text.counted(found.threads, 'thread')}, {text.listed(list(dict.fromkeys(one.runtime for one in deciding.values())))}"
    phones = {one.target for place in places(report) for one in place.latencies.values() if one.target_kind != "host"}
    slowest = " With several phones, the slowest decides for each variant." if len(phones) > 1 else ""
    sizes = text.measured_shapes(found, ", most frequent in the evaluation data" if report.dataset else "")
    return f"Latency on {where}, {how}; protocol {found.protocol}, in which {statistic} decides.{sizes}{slowest}{where_made(report)}"


def where_made(report: Report) -> str:
    """Returns in a sentence, with a space before it, on which machines files were converted, evaluated and measured; nothing where one did it all."""
    found = [row.places for row in report.variants if row.places]
    parts = {
        "converted": sorted({one.converted for one in found if one.converted}),
        "evaluated": sorted({name for one in found for name in one.evaluated}),
        "latency measured": sorted({one.measured for one in found if one.measured}),
    }
    told = [f"{what} on {text.listed(names)}" for what, names in parts.items() if names]
    return f" {told[0][0].upper()}{', '.join(told)[1:]}." if told else ""


class Place(NamedTuple):
    """One configuration under which latency was measured: a target, and of the same target threads and accelerator.

    Attributes:
        label: What sets it apart from the others of the report.
        latencies: By variant.
    """

    label: str
    latencies: dict[str, Latency]


def places(report: Report) -> list[Place]:
    """Returns the configurations of a report that phones were merged into, hosts last; none of a report of one target."""
    found: dict[tuple[str, int, str], dict[str, Latency]] = {}
    for row in report.variants:
        for one in (row.latency, *row.other_latencies):
            if one is not None:
                accelerator = one.accelerator.requested if one.accelerator else "cpu"
                found.setdefault((one.target, one.threads, accelerator), {})[row.name] = one
    if len({target for target, _, _ in found}) < 2:
        return []
    threads, accelerators = ({key[part] for key in found} for part in (1, 2))
    labelled = []
    for (target, count, accelerator), latencies in found.items():
        parts = [target.removeprefix("android:")]
        if len(threads) > 1:
            parts.append(text.counted(count, "thread"))
        if len(accelerators) > 1:
            parts.append(accelerator)
        on_host = next(iter(latencies.values())).target_kind == "host"
        labelled.append((on_host, Place(", ".join(parts), latencies)))
    return [place for _, place in sorted(labelled, key=lambda pair: pair[0])]


def places_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Returns the deciding figures of all variants side by side, one column for each of `places`; nothing without."""
    found = places(report)
    rows = []
    for row in report.variants if found else ():
        cells = [text.latency_against(place.latencies.get(row.name)) for place in found]
        if any(cell != "–" for cell in cells):
            rows.append([row.name, *cells])
    return (["Variant", *(place.label for place in found)] if rows else []), rows


def fidelity_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Returns how far each output of each variant is the baseline's; nothing where one output is all, and is well or said already."""
    beside = [(row, output) for row in report.variants for output in row.fidelity]
    if not any(output.losses or not output.scored or len(row.fidelity) > 1 for row, output in beside):
        return [], []
    rows = [
        [
            row.name,
            output.output if output.scored else f"{output.output} (not scored)",
            f"{output.compared:,} of {output.columns:,}",
            _kept(output),
            "–" if output.lowest is None else text.share(max(0.0, output.lowest)),
            "; ".join(f"{loss.columns}: {loss.cause}" for loss in output.losses) or "–",
        ]
        for row, output in beside
    ]
    return ["Variant", "Output", "Columns that vary", "Kept", "Kept by the worst", "Damaged columns"], rows


def _kept(output: OutputFidelity) -> str:
    found = output.explained if output.mean is None else output.mean  # older reports have the median
    if found is None:
        return "–"
    half = "" if output.low is None or output.high is None else f" ±{(output.high - output.low) * 50:.1f}"
    return text.share(found) + half


class ClassLoss(NamedTuple):
    """A class with a variant's recall, the baseline's, and the paired difference (positive is worse)."""

    entry: ClassRecall
    base: ClassRecall
    loss: float


def class_losses(row: VariantReport, base: VariantReport) -> list[ClassLoss]:
    """Returns the classes that both know, the largest loss first."""
    before = {entry.label: entry for entry in base.per_class}
    found = [
        ClassLoss(
            entry, before[entry.label], entry.drop.value if entry.drop else before[entry.label].value - entry.value
        )
        for entry in row.per_class
        if entry.label in before
    ]
    return sorted(found, key=lambda item: -item.loss)


def class_figure(report: Report) -> str:
    """Returns what is known of each class, for people: 'Recall', or the figure that the report's task has instead."""
    found = (entry.metric for row in report.variants for entry in row.per_class)
    return text.metric_name(next(found, "recall"))


def class_count(report: Report) -> str:
    """Returns what is counted of each class, for headings: objects in pictures, say."""
    counted = {"detection": "Objects", "segmentation": "Pictures", "keypoints": "Points"}
    return counted.get(_task(report), "Samples")


def class_noun(report: Report) -> str:
    """Returns what a figure of a single class is of, in the singular: 'class', or 'keypoint'."""
    return "keypoint" if _task(report) == "keypoints" else "class"


def _task(report: Report) -> str:
    return (report.dataset.task if report.dataset is not None else None) or ""


def ordered_classes(report: Report) -> list[str]:
    """Returns the classes, the `subject`'s largest loss first, or the lowest recall where there is no loss to speak of."""
    row, base = subject(report), reference(report)
    if row is None or not row.per_class:
        row = next((other for other in report.variants if other.per_class), None)
    if row is None:
        return []
    if base is not None and base.per_class and base.name != row.name:
        return [loss.entry.label for loss in class_losses(row, base)]
    return [entry.label for entry in sorted(row.per_class, key=lambda entry: entry.value)]
