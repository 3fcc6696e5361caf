"""How latency changed, by the statistic that decides under the protocol, with the noise of both benchmarks.

Two runs on one machine differ by more than the noise inside each: the machine may be warmer or busier. Where the
baseline is the same file in both reports, it serves as a control: what its latency changed by is taken out of the
others' change.
"""

from __future__ import annotations

from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.statistics import bootstrap_interval, bootstrap_quantiles, bootstrap_weights
from tflitekit.results import Latency, Report, VariantReport
from tflitekit.results.comparison.results import Change

__all__ = ["Control", "compare_latency", "find_control", "unlike_latency"]

Control = tuple[Latency, Latency]
"""The baseline's latency in the old and in the new report."""

_DRAWS = 2000
_FEWEST_ROUNDS = 4  # simulated coverage of the interval: 0.91 with three rounds, 0.95 to 0.98 from four on
_QUANTILES = {"median": 50, "p90": 90, "throughput": 50}


def unlike_latency(old: Latency, new: Latency) -> tuple[str, ...]:
    """Returns what differs in how two benchmarks were taken; empty where they can be compared."""
    parts = ("target", "protocol", "threads", "runtime")
    pairs = [(f"the {name}", getattr(old, name), getattr(new, name)) for name in parts]
    pairs.append(("the sizes of the inputs", old.input_shapes, new.input_shapes))
    keys = dict.fromkeys(chain(old.machine, new.machine))
    pairs += [(f"the machine's {key}", old.machine.get(key), new.machine.get(key)) for key in keys if key != "runtime"]
    return tuple(f"{name} ({before}; now {after})" for name, before, after in pairs if before != after)


def find_control(old: Report, new: Report) -> Control | None:
    """Returns the baseline's latencies where it is the same file in both reports, measured alike."""
    if old.baseline is None or old.baseline != new.baseline:
        return None
    before, after = old.variant(old.baseline), new.variant(new.baseline)
    if before.sha256 is None or before.sha256 != after.sha256 or before.latency is None or after.latency is None:
        return None
    return before.latency, after.latency


def compare_latency(old: VariantReport, new: VariantReport, control: Control | None) -> Change | None:
    """Compares the statistic that decides; None where one was not measured.

    The interval is that of a bootstrap over processes and rounds (see `tflitekit.core.statistics`). In one report, variant and
    control are drawn together, because their rounds were taken in turns.
    """
    before, after = old.latency, new.latency
    if before is None or after is None:
        return None
    usable = control if control is not None and _goes_with(control, (before, after)) else None
    value = after.deciding_ms / before.deciding_ms
    draws = _ratio_draws(before, after)
    if usable is not None:
        value /= usable[1].deciding_ms / usable[0].deciding_ms
        drift = _ratio_draws(*usable)
        draws = draws / drift if draws is not None and drift is not None else None
    interval = None if draws is None else bootstrap_interval(draws, _fewest(before, after, *(usable or ())))
    return Change(
        figure="latency",
        metric=f"{after.statistic}_ms",
        old=before.deciding_ms,
        new=after.deciding_ms,
        value=value - 1,
        low=None if interval is None else min(interval[0], value) - 1,  # samples may be thinned, the figure is not
        high=None if interval is None else max(interval[1], value) - 1,
        method="rounds" if usable is None else "controlled",
        unlike=unlike_latency(before, after),
    )


def _goes_with(control: Control, pair: tuple[Latency, Latency]) -> bool:
    """Whether the control was measured as the variant was, and is not the variant itself."""
    return all(not unlike_latency(c, v) and c != v for c, v in zip(control, pair, strict=True))


def _rounds(latency: Latency) -> list[NDArray[np.float64]]:
    """Returns milliseconds by round; each window of a throughput is one round with one value."""
    if latency.statistic == "throughput" and latency.throughput_per_s:
        return [np.asarray([1000 / value]) for value in latency.throughput_per_s]
    rounds = latency.samples.rounds() if latency.samples is not None else []
    return [part / 1000 for part in rounds if part.size]


def _processes(latency: Latency) -> tuple[int, ...]:
    """Returns the process of each round; where that is not known, each round counts as one."""
    known = latency.samples.processes if latency.samples is not None else ()
    count = len(_rounds(latency))
    return known if len(known) == count else tuple(range(count))


def _fewest(*latencies: Latency) -> tuple[int, ...]:
    """Returns the processes of the benchmark that tells least."""
    return min((_processes(latency) for latency in latencies), key=lambda p: (len(set(p)), len(p)))


def _ratio_draws(old: Latency, new: Latency) -> NDArray[np.float64] | None:
    before, after = _draws(old, 0), _draws(new, 1)
    return None if before is None or after is None else after / before


def _draws(latency: Latency, side: int) -> NDArray[np.float64] | None:
    """Returns the figure in each bootstrap draw, shape ``(2000,)``; None with too few rounds.

    The files of one report have the same weights, so that variant and control are drawn together.
    """
    rounds = _rounds(latency)
    if len(rounds) < _FEWEST_ROUNDS:
        return None
    weights = _weights(_processes(latency), side)
    return bootstrap_quantiles(rounds, weights, _QUANTILES[latency.statistic])


@cache
def _weights(processes: tuple[int, ...], side: int) -> NDArray[np.int64]:
    return bootstrap_weights(processes, count=_DRAWS, seed=side)
