"""How the figures of a model's variants went over time, and where they shifted."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.change_points import FEWEST, find_shifts, likeness_of_neighbours
from tflitekit.core.errors import ModelError, StoredReportError, UsageError
from tflitekit.core.parts import Finding, Part
from tflitekit.core.statistics import paired_accuracy_interval
from tflitekit.data.drawn import same_samples
from tflitekit.store.entry import Entry, Row
from tflitekit.store.scored import Scored
from tflitekit.store.store import Store

__all__ = ["FIGURES", "Change", "Figure", "History", "Judge", "Point", "Series", "history"]

Figure = Literal["accuracy", "size", "latency"]
FIGURES: tuple[Figure, ...] = ("accuracy", "size", "latency")


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of one report; there are many.

    Attributes:
        report: The id of its entry.
        low: 95 % interval of ``value`` within that report; null where there is none.
        chosen: The report recommends this variant.
        accepted: The report was accepted.
        noisy: The point is a latency, and noise or other programs disturbed its measuring.
        mlflow_run: The run that it was logged as, and ``mlflow_link`` its page; null where it was not.
    """

    report: str
    created: str
    commit: str | None
    runtime: str | None
    kit: str | None
    value: float
    low: float | None = None
    high: float | None = None
    chosen: bool = False
    accepted: bool = False
    noisy: bool = False
    mlflow_run: str | None = None
    mlflow_link: str | None = None


class Change(Part):
    """One shift of a series.

    Attributes:
        at: The number of its first point after the shift, from 0; ``earliest`` and ``latest`` are the 95 % interval of that.
        value: As in `tflitekit.results.comparison.Change`, positive is worse: for shares a fraction, for other metrics in their unit, for size and
            latency relative to before. Where it is not known which is better, after minus before.
        low: 95 % interval of ``value``; null where nothing is known of the noise.
        p_value: Of the test that found it; null for sizes, which are exact.
        method: 'exact', 'runs' (the scatter of the reports), 'runs and samples' (and of the samples that accuracy was measured on, in pairs
            where both reports beside the shift have them).
        noisy_before: How many reports of the level before it have a latency that noise or other programs disturbed, and ``noisy_after`` of the
            level after it. Such a shift may be the machine's.
    """

    at: int
    earliest: int
    latest: int
    value: float
    low: float | None
    high: float | None
    p_value: float | None
    method: Literal["exact", "runs", "runs and samples"]
    noisy_before: int = 0
    noisy_after: int = 0

    @property
    def verdict(self) -> Literal["worse", "better", "undecided"]:
        """Whether the interval lies on one side of zero."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "undecided"
        return "worse" if self.low > 0 else "better"


class Series(Part):
    """Figures that can be compared with each other, the oldest first.

    Attributes:
        metric: The metric's name, 'bytes', or 'median_ms', 'p90_ms', 'throughput_ms'.
        conditions: What all points have in common beyond the device, in words; ``data_sha256`` is that of the samples.
        changes: Where the level shifted.
    """

    model: str
    variant: str
    device: str
    figure: Figure
    metric: str
    output: str | None = None
    conditions: str = ""
    data_sha256: str | None = None
    higher_is_better: bool | None = None
    points: tuple[Point, ...]
    changes: tuple[Change, ...] = ()

    @property
    def levels(self) -> tuple[tuple[Point, ...], ...]:
        """The points between shifts."""
        bounds = [0, *(change.at for change in self.changes), len(self.points)]
        return tuple(self.points[first:last] for first, last in pairwise(bounds))

    @property
    def likeness(self) -> float | None:
        """How much each report resembles the one before it (`likeness_of_neighbours`): chance then shows more shifts. Null where it does not, and for sizes."""
        if self.figure == "size":
            return None
        return likeness_of_neighbours(self.compared, [change.at for change in self.changes])

    @property
    def compared(self) -> NDArray[np.float64]:
        """The values whose levels are compared: of latencies the logarithms."""
        values = np.array([point.value for point in self.points], np.float64)
        return np.log(values) if self.figure == "latency" else values

    @property
    def tested(self) -> bool:
        """Whether it has enough points for shifts to be told from noise; sizes need none."""
        return self.figure == "size" or len(self.points) >= FEWEST


class History(Part):
    """Series of one or several models."""

    series: tuple[Series, ...]
    warnings: tuple[Finding, ...] = ()


def history(
    store: Store,
    *,
    model: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    metric: Figure | None = None,
) -> History:
    """Returns how size, accuracy and latency went from report to report, with the shifts among them.

    Only what can be compared stands in one series: accuracy of one metric on the same samples, latency on one device under one protocol. Versions of
    the runtime and of the kit may change within a series, because they may be what made the difference.
    A size is exact, and each change of it is one. Accuracy and latency are tested as `tflitekit.core.change_points.find_shifts` says, the
    latency as its logarithm; with fewer than eight points nothing can be told. The interval of a shift of accuracy also covers that
    other samples would have given another answer (see `Change`).

    Args:
        store: Of `open_store`.
        model: Only this model, by its name in the store.
        variant: Only this variant.
        device: Only devices with this text in their name; case does not count.
        metric: Only this figure: 'accuracy', 'size' or 'latency'.

    Returns:
        The series, by model, variant, figure and device, and what of the store cannot be read.

    Raises:
        UsageError: Nothing in the store fits.
        StoreError: The store cannot be read.

    Example:
        >>> found = tk.history(tk.open_store("results"), model="shapes.keras", metric="latency")
        >>> print([(series.variant, len(series.points), series.changes) for series in found.series])
    """
    if metric not in (None, *FIGURES):
        raise UsageError(f"There is no history of '{metric}'.", fix=f"Choose from: {', '.join(FIGURES)}.")
    listing = store.entries(model)
    accepted = {acceptance.report for acceptance in store.acceptances()}
    found: dict[tuple[object, ...], list[tuple[Entry, Row, Point]]] = {}
    for entry in listing.entries:
        for key, row, point in _points(entry, metric, is_accepted=entry.id in accepted):
            if (variant is None or row.variant == variant) and (device or "").lower() in row.device.lower():
                found.setdefault(key, []).append((entry, row, point))
    if not found:
        raise UsageError(f"Nothing in {store.name} fits.", fix=_choices(store, listing.entries, model))
    known = {entry.id: entry for entry in listing.entries}
    judge = Judge(lambda id: store.scored(known[id]))
    series = [_series(key, members, judge) for key, members in found.items()]
    order = {figure: number for number, figure in enumerate(FIGURES)}
    series.sort(key=lambda one: (one.model, one.variant, order[one.figure], one.device, one.conditions))
    return History(series=tuple(series), warnings=listing.warnings)


def _choices(store: Store, entries: Iterable[Entry], model: str | None) -> str:
    rows = [row for entry in entries for row in entry.rows]
    if not rows:
        models = sorted({entry.model for entry in store.entries().entries})
        return (
            f"Models: {', '.join(models)}."
            if models and model is not None
            else "'tflitekit store add' puts reports there."
        )
    variants, devices = sorted({row.variant for row in rows}), sorted({row.device for row in rows})
    return f"Variants: {', '.join(variants)}. Devices: {'; '.join(devices)}."


def _points(
    entry: Entry, metric: Figure | None, *, is_accepted: bool
) -> Iterator[tuple[tuple[object, ...], Row, Point]]:
    """Yields each figure of a report with what it has to share with others of its series."""
    sized: set[str] = set()
    for row in entry.rows:
        if row.status != "ok":
            continue
        of = (entry.model, row.variant)
        made = functools.partial(
            Point, entry.id, entry.created, entry.commit, row.runtime, entry.kit,
            chosen=row.chosen, accepted=is_accepted, mlflow_run=entry.mlflow_run, mlflow_link=entry.mlflow_link,
        )  # fmt: skip
        if metric in (None, "accuracy") and row.value is not None and row.metric is not None:
            alike = (row.device, row.metric, row.output, entry.data_sha256)
            yield (*of, "accuracy", *alike), row, made(row.value, row.low, row.high)
        if metric in (None, "size") and row.size_bytes is not None and row.variant not in sized:
            sized.add(row.variant)
            yield (*of, "size"), row, made(float(row.size_bytes))
        if metric in (None, "latency") and row.latency_ms is not None and row.latency_ms > 0:
            how = (row.device, row.statistic, row.protocol, row.threads, row.accelerator)
            yield (
                (*of, "latency", *how),
                row,
                made(row.latency_ms, row.latency_low_ms, row.latency_high_ms, noisy=entry.noisy is True),
            )


def _series(
    key: tuple[object, ...],
    members: Sequence[tuple[Entry, Row, Point]],
    changes_of: Callable[[Series], tuple[Change, ...]],
) -> Series:
    entry, row, _ = members[-1]
    figure = next(known for known in FIGURES if known == key[2])
    metric = {"accuracy": str(row.metric), "size": "bytes", "latency": f"{row.statistic}_ms"}[figure]
    conditions = ""
    if figure == "latency":
        threads = f"{row.threads} thread{'' if row.threads == 1 else 's'}"
        conditions = ", ".join(filter(None, (row.protocol, threads, row.accelerator)))
    elif figure == "accuracy" and entry.data_sha256 is not None:
        conditions = f"data {entry.data_sha256[:8]}"
    found = Series(
        model=entry.model,
        variant=row.variant,
        device="" if figure == "size" else row.device,
        figure=figure,
        metric=metric,
        output=row.output if figure == "accuracy" else None,
        conditions=conditions,
        data_sha256=entry.data_sha256 if figure == "accuracy" else None,
        higher_is_better=row.higher_is_better if figure == "accuracy" else False,
        points=tuple(point for _, _, point in members),
    )
    return found.model_copy(update={"changes": changes_of(found)})


class Judge:
    """Finds the shifts of a series.

    Args:
        scored: Returns of a report, by its id, which samples it got right.
    """

    def __init__(self, scored: Callable[[str], Scored]) -> None:
        self._scored = functools.lru_cache(maxsize=64)(scored)

    def __call__(self, series: Series) -> tuple[Change, ...]:
        values = series.compared
        if series.figure == "size":
            return tuple(_resized(values))
        is_latency = series.figure == "latency"
        shifts, found = find_shifts(values), []
        bounds = [0, *(shift.at for shift in shifts), len(values)]
        noisy = [sum(point.noisy for point in series.points[a:b]) for a, b in pairwise(bounds)]
        for shift, before, after in zip(shifts, noisy, noisy[1:], strict=False):
            low, high = shift.value - shift.half, shift.value + shift.half
            if is_latency:
                value, low, high = (math.expm1(bound) for bound in (shift.value, low, high))
            else:
                half = math.hypot(shift.half, self._sampling(series, shift.at))
                sign = -1.0 if series.higher_is_better else 1.0
                value = sign * shift.value
                low, high = value - half, value + half
            found.append(
                Change(
                    at=shift.at,
                    earliest=shift.earliest,
                    latest=shift.latest,
                    value=value,
                    low=low if math.isfinite(low) else None,
                    high=high if math.isfinite(high) else None,
                    p_value=shift.p_value,
                    method="runs" if is_latency else "runs and samples",
                    noisy_before=before,
                    noisy_after=after,
                )
            )
        return tuple(found)

    def _sampling(self, series: Series, at: int) -> float:
        """Returns half the 95 % interval of a difference of accuracies for the choice of the samples: of the reports on both sides, sample by
        sample where they hold that, else from the interval of each."""
        points = series.points[at - 1 : at + 1]
        widths = [(p.high - p.low) / 2 for p in points if p.low is not None and p.high is not None]
        half = math.hypot(*widths) if len(widths) == len(points) else math.inf
        if series.metric != "top1":
            return half
        try:
            reports = [self._scored(point.report) for point in points]
            hits = [report.hits(series.variant, p.value) for report, p in zip(reports, points, strict=True)]
        except (StoredReportError, ModelError):  # its figures stand in the store all the same
            return half
        if hits[0] is None or hits[1] is None or not same_samples(*(report.dataset for report in reports)):
            return half
        low, high = paired_accuracy_interval(hits[0], hits[1])
        return (high - low) / 2


def _resized(values: NDArray[np.float64]) -> Iterator[Change]:
    """Yields each change of a size."""
    for at in (np.flatnonzero(np.diff(values)) + 1).tolist():
        value = float((values[at] - values[at - 1]) / values[at - 1]) if values[at - 1] else math.inf
        if math.isfinite(value):
            yield Change(
                at=at, earliest=at, latest=at, value=value, low=value, high=value, p_value=None, method="exact"
            )
