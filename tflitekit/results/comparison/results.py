"""What a comparison of two reports found. In every figure, positive is worse."""

from __future__ import annotations

from typing import Literal

from tflitekit.results import Finding, Part, Provenance
from tflitekit.tasks.metric_words import is_share

__all__ = ["Change", "Comparison", "Figure", "GateResult", "Side", "TargetChange", "VariantChange"]

Figure = Literal["accuracy", "output", "fidelity", "recall", "size", "deflated", "latency", "memory"]


class Change(Part):
    """How one figure of a variant changed from the old report to the new.

    Attributes:
        metric: What ``old`` and ``new`` are: the metric's name, 'bytes', or 'median_ms', 'p90_ms', 'throughput_ms' (one
            over the throughput).
        label: The class, for 'recall'; the output, where several have labels. 'output' is one that does not decide.
        value: How much worse it became. For shares (top1, recall, agreement, fidelity) a fraction, 0.01 is one point; for other metrics in
            their unit; for size, latency and memory relative to the old, 0.1 is 10 % more.
        low: 95 % interval of ``value``; null where it cannot be had, equal to it where it is exact.
        method: 'exact': no chance is involved. 'paired': on the same samples, sample by sample. 'unpaired': as if the
            samples were others. 'rounds': bootstrap over the rounds of both benchmarks. 'controlled': the same,
            relative to the baseline, which is the same file in both. 'single': one value in each report, no interval.
        unlike: What differs in how both were measured, so that they cannot be compared; empty where nothing does.
    """

    figure: Figure
    metric: str
    label: str | None = None
    old: float
    new: float
    value: float
    low: float | None
    high: float | None
    method: Literal["exact", "paired", "unpaired", "rounds", "controlled", "single"]
    unlike: tuple[str, ...] = ()

    @classmethod
    def of_sizes(cls, figure: Figure, old: int | None, new: int | None, *, metric: str = "bytes") -> Change | None:
        """Compares two sizes, by the share of the old one; None where one is not known."""
        if not old or new is None:
            return None
        value = (new - old) / old
        return cls(figure=figure, metric=metric, old=old, new=new, value=value, low=value, high=value, method="exact")

    @property
    def is_share(self) -> bool:
        """Whether ``value`` is a difference of shares, counted in points."""
        return is_share(self.metric)


class TargetChange(Part):
    """What changed of a variant on one further target (see `tflitekit.results.OnTarget`).

    Attributes:
        old_refused: Why it did not run there, in the old report; null where it did. ``new_refused`` likewise.
        changes: Their label is the target; the metric of memory is 'arena', 'SRAM' or 'flash'.
    """

    target: str
    provenance: Provenance
    old_refused: str | None
    new_refused: str | None
    changes: tuple[Change, ...] = ()


class VariantChange(Part):
    """One variant in both reports.

    Attributes:
        name: In the new report; in the old one where it is not there any more.
        old_name: In the old report; null where it was not there.
        presence: 'both', 'new' or 'removed'.
        same_file: The file is the same in both, byte by byte.
        error: What went wrong in the new report.
    """

    name: str
    old_name: str | None
    presence: Literal["both", "new", "removed"]
    old_status: str | None = None
    new_status: str | None = None
    same_file: bool = False
    sha256: str | None = None
    error: str | None = None
    changes: tuple[Change, ...] = ()
    targets: tuple[TargetChange, ...] = ()

    def change(self, figure: Figure) -> Change | None:
        """Returns the first change of a figure."""
        return next((c for c in self.changes if c.figure == figure), None)


class GateResult(Part):
    """One limit, judged for one variant (and class).

    Attributes:
        gate: 'status', 'max-accuracy-drop', 'max-fidelity-drop', 'max-class-drop', 'max-latency-increase' or 'max-size-increase'.
        limit: In the unit of `Change.value`; null for 'status'.
        state: 'broken': the whole interval lies beyond the limit. 'undecided': the estimate does, but the interval
            reaches back. 'missing': the variant or its figure is not there to judge. 'kept': the estimate is within the limit.
        message: The same in words, with the figures.
    """

    gate: str
    variant: str
    label: str | None = None
    limit: float | None = None
    state: Literal["kept", "undecided", "missing", "broken"]
    message: str


class Side(Part):
    """Where one of the reports comes from."""

    location: str
    created: str
    source_sha256: str | None
    chosen: str | None
    tool: dict[str, str]


class Comparison(Part):
    """What changed between two reports, and what the gates say."""

    old: Side
    new: Side
    variants: tuple[VariantChange, ...]
    gates: tuple[GateResult, ...]
    warnings: tuple[Finding, ...] = ()

    @property
    def broken(self) -> tuple[GateResult, ...]:
        """What really got worse than allowed."""
        return tuple(g for g in self.gates if g.state == "broken")

    @property
    def undecided(self) -> tuple[GateResult, ...]:
        """What may have got worse than allowed, or cannot be judged because it is missing."""
        return tuple(g for g in self.gates if g.state in ("undecided", "missing"))
