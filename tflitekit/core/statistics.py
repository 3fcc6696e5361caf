"""Intervals, paired tests and percentiles: numbers in, numbers and a verdict in words out.

SciPy is imported where it is used, because it takes most of a second.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SAME_TIME",
    "Interval",
    "PairedDifference",
    "bootstrap_bounds",
    "bootstrap_interval",
    "bootstrap_quantiles",
    "bootstrap_weights",
    "is_skewed",
    "latency_verdict",
    "mean_half_width",
    "mean_interval",
    "paired_accuracy_drop",
    "paired_accuracy_interval",
    "paired_bootstrap_increase",
    "paired_mean_increase",
    "percentile",
    "proportion_difference",
    "welch_half_width",
    "wilson_interval",
]

_ALPHA = 0.05
_Z = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
_STRETCH = 64
_SKEWED = 1.5


class Interval(NamedTuple):
    """A two-sided 95 % interval."""

    low: float
    high: float


class PairedDifference(NamedTuple):
    """How much worse a variant is than the baseline on the same samples; positive is worse."""

    value: float
    low: float
    high: float
    p_value: float
    n: int
    verdict: str


def wilson_interval(successes: int, n: int) -> Interval:
    """Returns the 95 % Wilson score interval of a proportion.

    Source: E. B. Wilson, 'Probable inference, the law of succession, and statistical inference',
    JASA 22 (1927). Without samples the interval is (0, 1).
    """
    if n == 0:
        return Interval(0.0, 1.0)
    share, z2 = successes / n, _Z * _Z
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, center - half)
    return Interval(low, 1.0 if successes == n else min(1.0, center + half))


def proportion_difference(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """Returns the 95 % interval of the difference of two independent proportions, each (successes, n).

    Source: Newcombe's hybrid score interval, method 10 in R. G. Newcombe, 'Interval estimation for the difference
    between independent proportions: comparison of eleven methods', Stat. Med. 17 (1998), made of two Wilson
    intervals. Without samples on a side, that side can be anything from 0 to 1.
    """
    (low_1, high_1), (low_2, high_2) = wilson_interval(*first), wilson_interval(*second)
    p_1, p_2 = (hits / n if n else 0.5 for hits, n in (first, second))
    below, above = math.hypot(p_1 - low_1, high_2 - p_2), math.hypot(high_1 - p_1, p_2 - low_2)
    return Interval(max(-1.0, p_1 - p_2 - below), min(1.0, p_1 - p_2 + above))


def mean_interval(values: ArrayLike) -> Interval:
    """Returns the 95 % Student interval of a mean; infinitely wide for fewer than two values."""
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2:
        return Interval(-math.inf, math.inf)
    from scipy.stats import t

    half = float(t.ppf(1 - _ALPHA / 2, data.size - 1)) * float(data.std(ddof=1)) / math.sqrt(data.size)
    mean = float(data.mean())
    return Interval(mean - half, mean + half)


def welch_half_width(parts: Sequence[tuple[float, int]]) -> float:
    """Returns half the 95 % interval of a difference of two means; 0 where neither varies.

    B. L. Welch, 'The generalization of Student's problem when several different population variances are involved',
    Biometrika 34 (1947).

    Args:
        parts: Of each mean its squared standard error and the degrees of freedom of that.
    """
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return _student_z(freedom) * math.sqrt(variance)


def _student_z(freedom: float) -> float:
    """Returns the two-sided 95 % quantile of Student's distribution, for one degree of freedom or more, to ten digits.

    SciPy's `stdtrit` says the same, but to import it takes a third of a second: as long as all shifts of a history of a thousand reports.
    With t = sqrt(f) tan(a), the density is proportional to cos(a) ** (f - 1). Its integral grows ever more slowly with a, so that Newton's
    method, begun below the root (at the normal distribution's quantile), comes closer from below with each step.
    """
    if freedom > 1e5:  # Cornish and Fisher's first term; the next is below 1e-10
        return _Z + (_Z**3 + _Z) / (4 * freedom)
    nodes, weights = _gauss_legendre()
    inside = 0.95 * math.sqrt(math.pi) / 2 * math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2))
    angle, step = math.atan(_Z / math.sqrt(freedom)), math.inf
    while step > 1e-12 * angle:
        integral = angle * float(weights @ np.cos(angle * nodes) ** (freedom - 1))
        step = (inside - integral) / math.cos(angle) ** (freedom - 1)
        angle += step
    return math.sqrt(freedom) * math.tan(angle)


@functools.lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns nodes and weights for an integral from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    return (nodes + 1) / 2, weights / 2


def mean_half_width(
    n: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns half the widths of 95 % Student intervals of means, by the sums of values and of their squares; NaN for n < 2."""
    from scipy.stats import t

    several = np.maximum(n, 2)
    variance = np.maximum(0, squares - np.square(total) / several) / (several - 1)
    half: NDArray[np.float64] = t.ppf(1 - _ALPHA / 2, several - 1) * np.sqrt(variance / several)
    return np.where(n < 2, np.nan, half)


def paired_accuracy_drop(
    baseline: NDArray[np.bool_], variant: NDArray[np.bool_], *, resolution: float = 0.01
) -> PairedDifference:
    """Compares two classifiers' right and wrong answers on the same samples.

    The p-value is McNemar's exact (binomial) test on the discordant pairs; the interval is that of `paired_accuracy_interval`.

    Args:
        baseline: Whether the baseline was right, shape ``(n,)``.
        variant: Whether the variant was right, in the same order.
        resolution: The drop that the reader cares about; a wider interval around zero is 'too few samples'.

    Returns:
        The drop as a fraction (0.01 is one percentage point), positive where the variant is worse.
    """
    n = int(baseline.size)
    if n == 0:
        return PairedDifference(0.0, -1.0, 1.0, 1.0, 0, "too few samples to tell")
    from scipy.special import bdtr

    lost, won = _discordant(baseline, variant)
    p_value = min(1.0, 2 * float(bdtr(min(lost, won), lost + won, 0.5)))  # two-sided, by symmetry
    low, high = paired_accuracy_interval(baseline, variant)
    value = (lost - won) / n
    verdict = _verdict(value * 100, low * 100, high * 100, p_value, resolution * 100, _POINTS)
    return PairedDifference(value, low, high, p_value, n, verdict)


def paired_accuracy_interval(baseline: NDArray[np.bool_], variant: NDArray[np.bool_]) -> Interval:
    """Returns the 95 % interval of how many more answers the baseline has right on the same samples, as a fraction.

    Source: Bonett and Price's adjusted Wald interval for paired proportions ('Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data', J. Educ. Behav. Stat. 37, 2012), which keeps a width when no pair disagrees.

    Args:
        baseline: Whether the baseline was right, shape ``(n,)``.
        variant: Whether the variant was right, in the same order.
    """
    n = int(baseline.size)
    p_lost, p_won = ((count + 1) / (n + 2) for count in _discordant(baseline, variant))
    half = _Z * math.sqrt((p_lost + p_won - (p_lost - p_won) ** 2) / (n + 2))
    return Interval(max(-1.0, p_lost - p_won - half), min(1.0, p_lost - p_won + half))


def _discordant(baseline: NDArray[np.bool_], variant: NDArray[np.bool_]) -> tuple[int, int]:
    """Returns how many samples only the baseline got right, and how many only the variant did."""
    return int(np.count_nonzero(baseline & ~variant)), int(np.count_nonzero(~baseline & variant))


def paired_mean_increase(
    baseline: NDArray[np.float64],
    variant: NDArray[np.float64],
    *,
    resolution: float | None = None,
    points: bool = False,
) -> PairedDifference:
    """Compares a cost per sample (an absolute error, say) of baseline and variant on the same samples.

    The p-value and the interval are Student's paired t.

    Args:
        baseline: Cost per sample, lower is better, shape ``(n,)``.
        variant: The same for the variant.
        resolution: The increase that the reader cares about; 5 % of the baseline's mean when not given.
        points: Whether the costs are shares (their loss, that is), whose difference the verdict says in points.
    """
    difference = np.asarray(variant, np.float64) - np.asarray(baseline, np.float64)
    n = int(difference.size)
    if n < 2:
        value = float(difference.mean()) if n else 0.0
        return PairedDifference(value, -math.inf, math.inf, 1.0, n, "too few samples to tell")
    interval, mean = mean_interval(difference), float(difference.mean())
    if float(difference.std()) == 0.0:
        p_value = 1.0 if mean == 0.0 else 0.0
    else:
        from scipy.stats import ttest_1samp

        p_value = float(ttest_1samp(difference, 0.0).pvalue)
    if resolution is None:
        resolution = 0.05 * abs(float(np.mean(baseline)))
    verdict = _told(mean, interval, p_value, resolution, points=points)
    return PairedDifference(mean, interval.low, interval.high, p_value, n, verdict)


def is_skewed(value: float, low: float, high: float) -> bool:
    """Tells whether an interval reaches half as far again to one side as to the other: half its width would then say too little of it."""
    short, long = sorted((value - low, high - value))
    return long > _SKEWED * short


def bootstrap_bounds(drawn: NDArray[np.float64], n: int) -> Interval:
    """Returns the middle 95 % of bootstrap draws of a figure; infinitely wide without any, and of a single sample.

    Args:
        drawn: NaN where a draw has no figure.
        n: Number of samples that were drawn from: all draws of one sample are the same.
    """
    known = drawn[np.isfinite(drawn)]
    if n < 2 or not known.size:
        return Interval(-math.inf, math.inf)
    low, high = np.quantile(known, (_ALPHA / 2, 1 - _ALPHA / 2))
    return Interval(float(low), float(high))


def paired_bootstrap_increase(
    value: float, drawn: NDArray[np.float64], n: int, *, resolution: float, points: bool = False
) -> PairedDifference:
    """Compares a figure that only all samples together have, by bootstrap draws of the same samples for both.

    The p-value is twice the share of draws beyond zero, with one draw added (A. C. Davison and D. V. Hinkley, 'Bootstrap
    methods and their application', 1997, section 4.2).

    Args:
        value: How much worse the variant is.
        drawn: The same for each draw; NaN where a draw has no figure.
        n: Number of samples.
        resolution: The increase that the reader cares about.
        points: Whether the figure is a share, whose difference the verdict says in points.
    """
    known = drawn[np.isfinite(drawn)]
    if n < 2 or not known.size:
        return PairedDifference(value, -math.inf, math.inf, 1.0, n, "too few samples to tell")
    interval = bootstrap_bounds(known, n)
    beyond = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    p_value = min(1.0, 2 * (int(beyond) + 1) / (known.size + 1))
    verdict = _told(value, interval, p_value, resolution, points=points)
    return PairedDifference(value, interval.low, interval.high, p_value, n, verdict)


class _Words(NamedTuple):
    """How a verdict says a difference."""

    worse: str
    better: str
    flat: str
    unit: str
    decimals: int


_POINTS = _Words("drops", "gains", "no measurable drop", " points", 1)
_COSTS = _Words("worse by", "better by", "no measurable difference", "", 4)


def _told(value: float, interval: Interval, p_value: float, resolution: float, *, points: bool) -> str:
    """Returns the verdict on a cost, or on a share in points."""
    factor, words = (100, _POINTS) if points else (1, _COSTS)
    low, high = interval
    return _verdict(value * factor, low * factor, high * factor, p_value, resolution * factor, words)


def _verdict(value: float, low: float, high: float, p_value: float, resolution: float, words: _Words) -> str:
    half, decimals = (high - low) / 2, words.decimals
    if is_skewed(value, low, high):
        ends = sorted((low, high) if value >= 0 else (-low, -high))
        shown = f"{abs(value):.{decimals}f}{words.unit}, between {' and '.join(f'{end:.{decimals}f}' for end in ends)}"
    else:
        shown = f"{abs(value):.{decimals}f} ± {half:.{decimals}f}{words.unit}"
    word = f"{words.worse} " if value > 0 else f"{words.better} " if value < 0 else ""
    if p_value < _ALPHA:
        return f"{word}{shown}"
    if max(abs(low), abs(high)) <= resolution or half <= resolution:
        return words.flat
    return f"too few samples to tell ({word}{shown})"


def percentile(samples: ArrayLike, q: float) -> float:
    """Returns the q-th percentile (0 to 100) with linear interpolation."""
    return float(np.percentile(np.asarray(samples, dtype=np.float64), q))


def bootstrap_weights(processes: Sequence[int], *, count: int = 1000, seed: int = 0) -> NDArray[np.int64]:
    """Draws how often each round counts in each of ``count`` bootstrap samples.

    Two levels, as the data have them: processes are drawn with replacement, then rounds within each drawn process
    (A. C. Davison and D. V. Hinkley, 'Bootstrap Methods and their Application', 1997, section 3.8).

    Args:
        processes: For each round, the process that measured it.

    Returns:
        Shape ``(count, rounds)``, not to be changed. The same weights on two files that ran in the same rounds pair them.
    """
    return _weights(tuple(map(int, processes)), count, seed)


@functools.lru_cache(maxsize=4)  # all files of a session ran in the same rounds
def _weights(processes: tuple[int, ...], count: int, seed: int) -> NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(np.asarray(processes) == process) for process in dict.fromkeys(processes)]
    drawn = generator.integers(0, len(members), (count, len(members)))
    sizes = {len(rounds) for rounds in members}
    if len(sizes) == 1:  # the same draws as below, all at once
        chosen = generator.integers(0, sizes.pop(), (*drawn.shape, len(members[0])))
        rows = list(np.take_along_axis(np.stack(members)[drawn], chosen, axis=2).reshape(count, -1))
    else:
        rows = [
            np.concatenate([(r := members[p])[generator.integers(0, len(r), len(r))] for p in row]) for row in drawn
        ]
    weights = np.stack([np.bincount(row, minlength=len(processes)) for row in rows])
    weights.setflags(write=False)
    return weights


def bootstrap_quantiles(
    rounds: Sequence[NDArray[np.float64]], weights: NDArray[np.int64], q: float = 50
) -> NDArray[np.float64]:
    """Returns the q-th percentile (0 to 100) of all samples in each bootstrap sample.

    Args:
        rounds: Samples of each round; long rounds are thinned evenly, to about 4,000 samples in all.
        weights: Of `bootstrap_weights`.

    Returns:
        Shape ``(count,)``.
    """
    stride = max(1, sum(len(part) for part in rounds) // 4000)
    thinned = [part[::stride] for part in rounds]
    values = np.concatenate(thinned)
    owner = np.repeat(np.arange(len(rounds)), [len(part) for part in thinned])
    order = np.argsort(values, kind="stable")
    owner = owner[order]
    # Sorted samples are counted stretch by stretch, and one by one only in the stretch that the percentile lies in.
    stretches = np.arange(values.size) // _STRETCH
    held = np.zeros((len(rounds), stretches[-1] + 1), np.int64)
    np.add.at(held, (owner, stretches), 1)
    reached = (weights @ held).cumsum(axis=1)
    wanted = np.maximum(1, np.ceil(reached[:, -1:] * q / 100))
    stretch = (reached >= wanted).argmax(axis=1)[:, None]
    places = np.minimum(stretch * _STRETCH + np.arange(_STRETCH), values.size - 1)
    before = np.where(stretch > 0, np.take_along_axis(reached, np.maximum(stretch - 1, 0), axis=1), 0)
    counted = before + np.take_along_axis(weights, owner[places], axis=1).cumsum(axis=1)
    first = np.take_along_axis(places, (counted >= wanted).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.asarray(values[order][first], np.float64)


def bootstrap_interval(values: NDArray[np.float64], processes: Sequence[int]) -> Interval:
    """Returns the expanded 95 % percentile interval of a figure in all bootstrap samples.

    With few clusters the plain one is too narrow; its percentiles are moved outwards by as much as Student's t is
    wider than the normal distribution (T. C. Hesterberg, 'What teachers should know about the bootstrap', Am. Stat. 69,
    2015, section 5.3).

    Args:
        values: The figure in each bootstrap sample.
        processes: For each round, the process that measured it. Processes are the clusters, rounds where there is one process.
    """
    from scipy.stats import norm, t

    clusters = len(set(processes)) if len(set(processes)) > 1 else len(processes)
    tail = 0.0
    if clusters > 1:
        tail = float(norm.cdf(-math.sqrt(clusters / (clusters - 1)) * t.ppf(1 - _ALPHA / 2, clusters - 1)))
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))


SAME_TIME = 0.01
"""Ratios within this share of 1 are ties: the luck of memory layout alone moves a process's times by as much."""


def latency_verdict(low: float, high: float) -> Literal["faster", "slower", "tie"]:
    """Says whether a ratio of times with this 95 % interval lies beyond `SAME_TIME` of 1."""
    if high < 1 - SAME_TIME:
        return "faster"
    return "slower" if low > 1 + SAME_TIME else "tie"
