"""Is a variant's drop of accuracy on all data below a limit? Decided on as few samples as that takes, and soundly so.

What is estimated is the mean of ``d = baseline right - variant right``, in {-1, 0, 1}, over the N samples that there
are. They are drawn without replacement, so what was not drawn yet is known better and better: if the mean of all is
``m``, then after n draws with the sum S the mean of the rest is ``m_n = (N m - S) / (N - n)``.

**Order.** The samples, sorted by class, are cut into G equal groups; a batch has one random sample of each. So batches
are balanced like the data. The ``N mod G`` samples that are left over are drawn first.

**Test.** Whoever believes 'the mean is at most m' must accept a bet at the odds of ``m_n``. For a batch, a stake
``0 <= t <= 1 / (1 + m_n)`` multiplies the wealth by the product of ``1 + t (d - m_n)`` over its samples. Given the past,
draws from different groups are independent, so the expectation is the product of ``1 + t (mu_g - m_n)`` over the means of
the groups' rests. By the inequality of arithmetic and geometric means that is at most ``(1 + t (mean of mu_g - m_n))^G``.
The groups' rests are equally large, so the mean of mu_g is that of the whole rest: at most ``m_n`` if the belief is true,
and the expectation at most 1. The wealth is therefore a nonnegative supermartingale, also the mean of the wealths of
several stakes, and by Ville's inequality it ever reaches ``1 / alpha`` with a probability of at most ``alpha``, however
often one looks. Where it does, the belief is rejected; likewise where ``m_n`` has left what a mean can be.

Source: I. Waudby-Smith and A. Ramdas, 'Estimating means of bounded random variables by betting', Journal of the Royal
Statistical Society B 86 (2024), with the section on sampling without replacement. Batches of one draw a group, and so
the step with the two means, are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHOD", "DrawOrder", "SequentialDrop"]

METHOD = (
    "betting test without replacement on class-balanced batches (Waudby-Smith and Ramdas, JRSS-B 86, 2024), "
    "two one-sided tests at alpha each"
)

# The best constant stake on a true drop of zero is about limit / share of samples that flip. These cover one point with 1 to
# 20 % of flips, each within a factor of 1.4; their mean loses at most the factor of their number.
_STAKES = np.geomspace(0.05, 1.0, 6)
_FULL_STAKE = 0.98  # of the largest that the odds allow, so that one sample never ruins a stake
_FIRST_LOOK = 200
_GROWTH = 0.1
_LEAST_BATCHES = 50  # so that there is something to stop between

# Possible means for which the interval is worked out: steps of 0.05 points to 10 points, then of 1 point.
_MEANS = np.unique(np.concatenate([np.linspace(-1, 1, 201), np.linspace(-0.1, 0.1, 401)]).round(4))


@dataclass(frozen=True)
class DrawOrder:
    """The order in which samples are drawn.

    Attributes:
        positions: Each sample's position in the data, in the order of the draws, shape ``(N,)``.
        batch: Samples of a batch, G.
    """

    positions: NDArray[np.int64]
    batch: int

    @property
    def key(self) -> dict[str, float]:
        """What decides the order and the looks, beside the data and the seed."""
        return {"batch": self.batch, "first": _FIRST_LOOK, "growth": _GROWTH}

    @classmethod
    def of(cls, labels: Sequence[int], seed: int) -> DrawOrder:
        """Draws the order for samples with these classes."""
        classes = np.asarray(labels, np.int64)
        total = classes.size
        batch = max(1, min(np.unique(classes).size, total // _LEAST_BATCHES))
        generator = np.random.default_rng(seed)
        first = np.sort(generator.permutation(total)[: total % batch])
        rest = np.delete(np.arange(total), first)
        groups = rest[np.argsort(classes[rest], kind="stable")].reshape(batch, -1)
        drawn = generator.permuted(groups, axis=1).T.ravel()
        return cls(np.concatenate([first, drawn]), batch)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yields the first and the end of the draws between two looks: 200, or a tenth of those before, in whole batches."""
        total, start = self.positions.size, 0
        stop = total % self.batch
        while start < total:
            least = max(_FIRST_LOOK, math.ceil(start * _GROWTH))
            stop = min(total, stop + self.batch * math.ceil(least / self.batch))
            yield start, stop
            start = stop


class _Wealth:
    """Wealth of the bets against 'the mean is at most m', for several m at once."""

    def __init__(self, total: int, means: NDArray[np.float64], alpha: float) -> None:
        self._total, self._means, self._alpha = total, means, alpha
        self._log = np.zeros((means.size, _STAKES.size))
        self._drawn, self._sum = 0, 0
        self.rejected = np.zeros(means.size, np.bool_)

    def add(self, losses: int, wins: int, size: int, *, bet: bool) -> None:
        """Takes in a batch: samples with d = 1, with d = -1, and how many in all."""
        rest = (self._total * self._means - self._sum) / (self._total - self._drawn)
        self.rejected |= rest < -1 - 1e-9  # but for rounding
        if bet:
            odds = np.clip(rest, -1.0, 1.0)[:, None]
            with np.errstate(divide="ignore"):  # at odds of -1 every stake is allowed
                stakes = np.minimum(_STAKES, _FULL_STAKE / (1 + odds))
            for count, difference in ((losses, 1), (wins, -1), (size - losses - wins, 0)):
                if count:
                    self._log += count * np.log1p(stakes * (difference - odds))
            with np.errstate(over="ignore"):  # infinite wealth rejects, too
                self.rejected |= np.exp(self._log).mean(axis=1) >= 1 / self._alpha
        self._drawn += size
        self._sum += losses - wins


class SequentialDrop:
    """Decides whether the drop on all samples exceeds a limit, while samples come in.

    Args:
        order: How the samples are drawn.
        limit: The largest accepted drop, as a fraction.
        alpha: Largest probability of a wrong decision, over all looks together.
    """

    def __init__(self, order: DrawOrder, *, limit: float, alpha: float) -> None:
        self._total, self._batch, self._limit = order.positions.size, order.batch, limit
        at = np.array([limit])
        self._above, self._below = _Wealth(self._total, at, alpha), _Wealth(self._total, -at, alpha)
        self._means_from = _Wealth(self._total, _MEANS, alpha / 2)
        self._means_to = _Wealth(self._total, _MEANS, alpha / 2)  # of -d
        self._drawn, self._sum = 0, 0
        self.decision: Literal["meets", "breaks"] | None = None
        self.decided_at: int | None = None

    def add(self, differences: NDArray[np.int8]) -> None:
        """Takes in the next draws, in whole batches: 1 where only the baseline is right, -1 where only the variant is.

        The first call brings the samples that are left over from the batches, too.
        """
        unbet = self._total % self._batch if self._drawn == 0 else 0
        if unbet:
            self._add_batch(differences[:unbet], bet=False)
        for start in range(unbet, differences.size, self._batch):
            self._add_batch(differences[start : start + self._batch], bet=True)

    def _add_batch(self, differences: NDArray[np.int8], *, bet: bool) -> None:
        size = int(differences.size)
        losses, wins = int(np.count_nonzero(differences > 0)), int(np.count_nonzero(differences < 0))
        for wealth in (self._above, self._means_from):
            wealth.add(losses, wins, size, bet=bet)
        for wealth in (self._below, self._means_to):
            wealth.add(wins, losses, size, bet=bet)
        self._drawn += size
        self._sum += losses - wins
        if self.decision is not None:
            return
        if self._drawn == self._total:  # the drop is known
            self.decision = "meets" if self._sum / self._total <= self._limit else "breaks"
        elif self._above.rejected[0]:
            self.decision = "breaks"
        elif self._below.rejected[0]:
            self.decision = "meets"
        if self.decision is not None:
            self.decided_at = self._drawn

    def interval(self) -> tuple[float, float]:
        """Returns the interval of the drop on all samples that holds at all looks together, with ``1 - alpha``."""
        if self._drawn == self._total:
            return self._sum / self._total, self._sum / self._total
        return _lower_end(self._means_from.rejected), -_lower_end(self._means_to.rejected)


def _lower_end(rejected: NDArray[np.bool_]) -> float:
    """Returns the last of the means that are rejected without a gap from -1 on; -1 where the first one is not."""
    kept = np.flatnonzero(~rejected)
    first = int(kept[0]) if kept.size else rejected.size
    return float(_MEANS[max(0, first - 1)])
