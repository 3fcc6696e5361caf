"""Evaluation in class-balanced blocks that each variant leaves when its drop is decided (see `tflitekit.core.sequential`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.fidelity import Sums, add_sums
from tflitekit.accuracy.metrics import AnyMetric, PerSample, Scores
from tflitekit.accuracy.metrics.agreement import ClassAgreement
from tflitekit.accuracy.metrics.classification import Classification
from tflitekit.accuracy.metrics.several import SeveralMetrics
from tflitekit.accuracy.score_store import ScoreStore, beside_baseline
from tflitekit.accuracy.scored import Scored, Stopped
from tflitekit.accuracy.scoring import Against, ScoringJob, score
from tflitekit.core.errors import UsageError
from tflitekit.core.progress import Progress
from tflitekit.core.sequential import METHOD, DrawOrder, SequentialDrop
from tflitekit.data.dataset import Dataset, Selection, SkippedSamples
from tflitekit.results import Adaptive, Sequential
from tflitekit.tasks.metric_words import words_of

__all__ = ["Certainty", "check_decidable", "score_until_certain"]

_OUTPUTS = 1 << 16
"""More than any file has."""


@dataclass(frozen=True)
class Certainty:
    """When an evaluation may stop early.

    Attributes:
        limit: Largest accepted drop, as a fraction.
        error_rate: Largest probability, for each variant, of a decision against the answer on all data.
        seed: Of the order in which samples are drawn.
    """

    limit: float
    error_rate: float
    seed: int


def score_until_certain(
    runs: Mapping[str, ScoringJob],
    dataset: Dataset,
    metric: AnyMetric,
    store: ScoreStore,
    *,
    baseline: str,
    certainty: Certainty,
    jobs: int | None,
    progress: Progress,
) -> Scored:
    """Scores variants block by block until each one's drop is known to lie below or above the limit.

    A variant leaves at the end of the block in which it is decided; the baseline stays for the others. Scores are kept after
    each block, and a later run continues with them.

    Args:
        store: Where scores are kept.
        baseline: Name of one of the variants.

    Raises:
        UsageError: The labels are no classes, the number of samples is not known, or there is nothing to compare.
    """
    order = DrawOrder.of(_classes(dataset, metric), certainty.seed)
    tests = _tests([name for name in runs if name != baseline], order, certainty)
    kept = store.for_draw({"seed": certainty.seed, "order": order.key})
    blocks = _Blocks(runs, baseline, dataset, metric, order, kept, jobs)
    drawn = dict.fromkeys(runs, 0)
    with progress.task("Evaluating until certain", order.positions.size) as advance:
        for start, stop in order.blocks():
            undecided = {name: test for name, test in tests.items() if test.decision is None}
            if not undecided:
                break
            blocks.draw([runs[name] for name in undecided], start, stop)
            right = blocks.right(runs[baseline].identity, start, stop)
            for name, test in undecided.items():
                test.add(right - blocks.right(runs[name].identity, start, stop))
            drawn |= dict.fromkeys((baseline, *undecided), stop)
            advance(stop - start)
    last = drawn[baseline]
    record = Adaptive(
        method=METHOD,
        alpha=certainty.error_rate,
        limit=certainty.limit,
        samples=last,
        available=order.positions.size,
        batch=order.batch,
        seed=certainty.seed,
    )
    return Scored(
        runs,
        metric,
        baseline,
        scores={name: blocks.until(run.identity, drawn[name]) for name, run in runs.items()},
        sums={name: blocks.sums_until(run.identity, drawn[name]) for name, run in runs.items()},
        skipped=sorted(blocks.skipped.names),
        stopped=Stopped(
            {name: _sequential(test, certainty) for name, test in tests.items()},
            record,
            np.sort(order.positions[:last]),
        ),
    )


def _tests(names: Sequence[str], order: DrawOrder, certainty: Certainty) -> dict[str, SequentialDrop]:
    if not names:
        raise UsageError(
            "There is nothing to decide: only the baseline was given.",
            fix="Give a variant to compare with it, or leave out --until-certain.",
        )
    return {name: SequentialDrop(order, limit=certainty.limit, alpha=certainty.error_rate) for name in names}


def check_decidable(dataset: Dataset, metric: AnyMetric) -> None:
    """Raises `UsageError` where the drop of a metric cannot be decided on a part of the data."""
    if isinstance(metric, SeveralMetrics):
        raise UsageError(
            "--until-certain decides about one output, and several have labels.",
            fix="Leave it out, or give labels of one output; --limit takes a sample of a fixed size.",
        )
    if not isinstance(metric, Classification | ClassAgreement) or metric.name not in ("top1", "agreement"):
        name = words_of(metric.name).name
        why = f"{name} is a figure of all samples together, not a mean over them that is certain at some point."
        if isinstance(metric, PerSample) and metric.is_mean:
            why = "The test holds for values between known bounds, and the errors of single samples have none."
        raise UsageError(
            f"--until-certain decides about shares of right answers (top1, agreement), not about {metric.name}.",
            why=why,
            fix="Leave it out; --limit takes a sample of a fixed size.",
        )
    if dataset.size is None or not dataset.random_access:
        raise UsageError(
            f"--until-certain needs data of known size that can be read in any order, but {dataset.location} is a factory.",
            fix="Store the samples as a folder of images or an .npz file, or leave it out.",
        )


def _classes(dataset: Dataset, metric: AnyMetric) -> list[int]:
    """Returns the classes that batches are balanced by: one, where the data have no labels."""
    check_decidable(dataset, metric)
    if isinstance(metric, ClassAgreement):
        return [0] * (dataset.size or 0)
    return [int(sample.label) for sample in dataset]


def _sequential(test: SequentialDrop, certainty: Certainty) -> Sequential:
    assert test.decision is not None
    low, high = test.interval()
    return Sequential(
        decision=test.decision,
        limit=certainty.limit,
        low=low,
        high=high,
        alpha=certainty.error_rate,
        decided_at=test.decided_at,
    )


class _Blocks:
    """Scores of distinct variants, block by block of a drawn order; taken from the store where they are there."""

    def __init__(
        self,
        runs: Mapping[str, ScoringJob],
        baseline: str,
        dataset: Dataset,
        metric: AnyMetric,
        order: DrawOrder,
        store: ScoreStore,
        jobs: int | None,
    ) -> None:
        self._baseline, self._dataset, self._metric = runs[baseline], dataset, metric
        self._order, self._store, self._jobs = order, store, jobs
        self._number = np.empty(order.positions.size, np.int64)  # of the draw, by position
        self._number[order.positions] = np.arange(order.positions.size)
        self._scores: dict[Any, Scores] = {}
        self._drawn: dict[Any, int] = {}
        self._sums: dict[Any, Sums] = {}  # of each block by itself: by its end times _OUTPUTS, and the output
        self.skipped = SkippedSamples(order.positions.size)
        names: dict[str, None] = {}
        for run in runs.values():
            found = store.load(run.variant)
            self._drawn[run.identity] = found.drawn if found else 0
            if found:
                self._scores[run.identity], self._sums[run.identity] = found.scores, found.sums
                names.update(dict.fromkeys(found.skipped))
        self.skipped.names.extend(names)

    def draw(self, runs: Sequence[ScoringJob], start: int, stop: int) -> None:
        """Scores the draws from ``start`` to ``stop`` with those of these variants, and the baseline, that lack them."""
        lacking = [run for run in beside_baseline(runs, self._baseline).values() if self._drawn[run.identity] < stop]
        if not lacking:
            return
        positions = np.sort(self._order.positions[start:stop])
        skipped = SkippedSamples(self.skipped.total)
        part = Selection(self._dataset, positions)
        distinct = beside_baseline(lacking, self._baseline)
        against = Against(distinct[self._baseline.identity].variant.name)
        fresh = score(
            list(distinct.values()),
            part,
            self._metric,
            jobs=self._jobs,
            progress=Progress(),
            skipped=skipped,
            against=against,
        )
        self.skipped.names[:] = dict.fromkeys(self.skipped.names + skipped.names)
        self.skipped.check(self._order.positions.size)
        for run in lacking:
            name = distinct[run.identity].variant.name
            new = fresh[name]
            new["position"] = positions[new["position"]].astype(np.int32)
            old = self._scores.get(run.identity)
            joined = new if old is None else {name: np.concatenate([old[name], new[name]]) for name in new}
            self._scores[run.identity], self._drawn[run.identity] = joined, stop
            block = {stop * _OUTPUTS + index: pairs for index, pairs in against.sums.get(name, {}).items()}
            self._sums[run.identity] = self._sums.get(run.identity, {}) | block
            self._store.save(run.variant, joined, self._sums[run.identity], self.skipped.names, stop)

    def right(self, identity: Any, start: int, stop: int) -> NDArray[np.int8]:
        """Returns whether a variant was right (as the baseline, without labels), in the order of the draws; a sample that cannot be read was not."""
        scores = self._scores[identity]
        number = self._number[scores["position"]]
        inside = (number >= start) & (number < stop)
        found = np.zeros(stop - start, np.int8)
        found[number[inside] - start] = scores["agrees" if "agrees" in scores else "correct"][inside]
        return found

    def sums_until(self, identity: Any, stop: int) -> Sums:
        """Returns the sums over the first draws."""
        found: Sums = {}
        for key, pairs in self._sums.get(identity, {}).items():
            if key // _OUTPUTS <= stop:
                add_sums(found, {key % _OUTPUTS: pairs})
        return found

    def until(self, identity: Any, stop: int) -> Scores:
        """Returns the scores of the first draws, in the data's order."""
        scores = self._scores[identity]
        rows = np.argsort(scores["position"], kind="stable")
        rows = rows[self._number[scores["position"][rows]] < stop]
        return {name: values[rows] for name, values in scores.items()}
