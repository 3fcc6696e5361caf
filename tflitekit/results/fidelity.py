"""How far a variant's outputs are those of the baseline, output by output and part by part."""

from __future__ import annotations

from typing import Literal

from tflitekit.core.parts import Part

__all__ = ["ColumnFidelity", "OutputFidelity", "PartLoss"]


class PartLoss(Part):
    """Columns of one output that a variant does not keep, all for the same cause.

    Attributes:
        columns: Their numbers from 0, as in '4 to 6, 9'.
        count: How many they are.
        cause: 'not-finite', 'constant', 'coarse' (its steps are wider than what the values tell), 'saturated' (cut off at the
            end of what its type holds), or 'apart' (none of these, and yet other values).
        broken: Whether so little is left that the variant cannot be recommended.
        explained: Share of the baseline's variance that the worst of them explains; null where it has none. For outputs that
            count or number something, the share of values that are the same.
        text: All of it in words.
    """

    columns: str
    count: int
    cause: Literal["not-finite", "constant", "coarse", "saturated", "apart"]
    broken: bool
    explained: float | None
    text: str


class ColumnFidelity(Part):
    """One column of an output beside the baseline's; its figures as in `OutputFidelity`, ``low`` and ``high`` its own interval."""

    column: int
    explained: float
    low: float | None
    high: float | None


class OutputFidelity(Part):
    """One output beside the baseline's, on the samples of the evaluation. Nothing of it needs labels.

    Attributes:
        scored: Whether it is the output that the metric looks at.
        values: Pairs of values for each column.
        columns: Parts of the output: the values along its last axis (or the first, where a file keeps channels first).
        compared: Columns that vary enough in the baseline to be judged.
        explained: Median over those of the share of the baseline's variance that the variant explains (1 is the same, 0 no
            better than a constant); for outputs that count or number something, of the share of values that are the same.
            Null where no column is compared.
        mean: Mean over those, where less than nothing counts as nothing; so a part that is lost shows. Null as ``explained``, and in
            older reports.
        low: Interval of ``mean``: the mean of the columns' own 95 % intervals, which is not narrower than it should be. Null with fewer
            than two samples.
        lowest: The same of the worst column.
        worst: Up to 16 of the columns that are compared, those that are kept least, in their order.
        losses: What is damaged, the worst first.
    """

    output: str
    scored: bool
    values: int
    columns: int
    compared: int
    explained: float | None
    lowest: float | None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    worst: tuple[ColumnFidelity, ...] = ()
    losses: tuple[PartLoss, ...] = ()
