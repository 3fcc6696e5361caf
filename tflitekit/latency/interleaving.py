"""Measures several files in interleaved rounds, so that a drift of the machine hits all alike.

In each round every file runs for a moment, in an order that a seed shuffles. Rounds are what intervals and comparisons
are made of; what is finished is on disk before the next processes start.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tflitekit.core.errors import TflitekitError
from tflitekit.core.progress import Progress
from tflitekit.core.statistics import bootstrap_interval, bootstrap_quantiles, bootstrap_weights
from tflitekit.core.structured import read_record, write_record
from tflitekit.results import Samples
from tflitekit.targets import Loaded, Run, Session, SessionFacts, Shapes, TimingTarget
from tflitekit.targets.protocols import BenchmarkProtocol

__all__ = ["measure_interleaved"]

_CHECK_DRAWS = 1000


class _Kept(BaseModel):
    """Finished rounds of a run that goes on, by file."""

    elapsed_s: float
    runs: dict[str, Run]


@dataclass
class _Taken:
    """What was measured of one file so far."""

    path: Path
    shapes: Shapes
    rounds: list[NDArray[np.float64]] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    windows_s: list[float] = field(default_factory=list)
    loads: list[Loaded] = field(default_factory=list)
    warmup_runs: int = 0
    facts: SessionFacts | None = None
    error: TflitekitError | None = None


def measure_interleaved(
    files: Mapping[str, tuple[Path, Shapes]],
    target: TimingTarget,
    *,
    threads: int,
    protocol: BenchmarkProtocol,
    seed: int,
    progress: Progress,
    partial: Path | None,
    after_round: Callable[[], None],
) -> dict[str, Run | TflitekitError]:
    """Measures files by name.

    Args:
        files: Distinct ones, each with the shapes for `TimingTarget.open`, where it leaves sizes open.
        after_round: Called while the machine is still warm from a round.
        partial: Where finished rounds are kept; a run that was interrupted goes on from there.

    Returns:
        A run for each file, or the error of one that the runtime refused; the others are complete.
    """
    taken = {name: _Taken(path, shapes) for name, (path, shapes) in files.items()}
    begin = time.monotonic() - _restore(taken, partial)
    stopped_by = "protocol"
    with progress.task(f"Measuring latency on {target.name}", protocol.rounds) as advance:
        advance(min((len(t.rounds) for t in taken.values()), default=0))

        def finish_round() -> None:
            after_round()
            if max(len(t.rounds) for t in taken.values()) <= protocol.rounds:  # more are taken until it is precise
                advance(1)

        while True:
            alive = {name: t for name, t in taken.items() if t.error is None}
            finished = min((len(t.rounds) for t in alive.values()), default=protocol.rounds)
            reason = _reason_to_stop(list(alive.values()), finished, protocol, time.monotonic() - begin)
            if reason is not None:
                stopped_by = reason
                break
            block = _Block(target, threads, protocol, random.Random(seed + finished), finished, begin)
            block.measure(alive, finish_round)
            _keep(taken, partial, time.monotonic() - begin)
    if partial is not None:
        partial.unlink(missing_ok=True)
    return {name: _result(t, stopped_by) for name, t in taken.items()}


def _reason_to_stop(
    taken: Sequence[_Taken], finished: int, protocol: BenchmarkProtocol, elapsed_s: float
) -> str | None:
    if not taken:
        return "protocol"
    if protocol.precision is None:
        if finished >= protocol.rounds:
            return "protocol"
    elif finished >= protocol.rounds and all(_precise(t, protocol.precision) for t in taken):
        return "precision"
    return "budget" if finished and elapsed_s > protocol.budget_s * len(taken) else None


def _precise(taken: _Taken, precision: float) -> bool:
    medians = bootstrap_quantiles(taken.rounds, bootstrap_weights(taken.processes, count=_CHECK_DRAWS))
    low, high = bootstrap_interval(medians, taken.processes)
    return high - low < precision * float(np.median(medians))


@dataclass
class _Block:
    """Some rounds, in one fresh process for each file."""

    target: TimingTarget
    threads: int
    protocol: BenchmarkProtocol
    order: random.Random
    finished: int
    begin: float

    def measure(self, alive: Mapping[str, _Taken], finish_round: Callable[[], None]) -> None:
        sessions: dict[str, Session] = {}
        deadline = self.begin + self.protocol.budget_s * len(alive)
        try:
            for name, one in alive.items():
                with _recorded(one):
                    sessions[name] = self.target.open(one.path, threads=self.threads, shapes=one.shapes)
                    one.loads.append(sessions[name].loaded)
                    one.warmup_runs += sessions[name].warm_up(self.protocol.warmup_runs, self.protocol.warmup_s)
            for index in range(self.protocol.rounds_per_process or self.protocol.rounds - self.finished):
                names = [name for name in sessions if alive[name].error is None]
                self.order.shuffle(names)
                for name in names:
                    with _recorded(alive[name]):
                        self._measure_round(alive[name], sessions[name], again=index > 0)
                finish_round()
                if time.monotonic() > deadline:
                    break
            for name, session in sessions.items():
                if alive[name].error is None:
                    with _recorded(alive[name]):
                        alive[name].facts = session.facts()
        finally:
            for session in sessions.values():
                session.close()

    def _measure_round(self, one: _Taken, session: Session, *, again: bool) -> None:
        if again:
            one.warmup_runs += session.warm_up(self.protocol.rewarm_runs, 0)
        samples, window_s = session.run(self.protocol.round_runs, self.protocol.round_s)
        one.rounds.append(samples)
        one.windows_s.append(window_s)
        one.processes.append(self.finished)


@contextmanager
def _recorded(one: _Taken) -> Iterator[None]:
    """Keeps the error of one file, so that the others go on."""
    try:
        yield
    except TflitekitError as error:
        one.error = error


def _result(one: _Taken, stopped_by: str) -> Run | TflitekitError:
    if one.error is not None:
        return one.error
    assert one.facts is not None
    return Run(
        loads=tuple(one.loads),
        rounds=Samples.of(one.rounds, one.processes, most=None),
        windows_s=tuple(one.windows_s),
        warmup_runs=one.warmup_runs,
        facts=one.facts,
        stopped_by=stopped_by,
        input_shapes=one.shapes,
    )


def _keep(taken: Mapping[str, _Taken], partial: Path | None, elapsed_s: float) -> None:
    if partial is None or any(t.error is not None or t.facts is None for t in taken.values()):
        return
    runs = {name: _result(t, "protocol") for name, t in taken.items()}
    content = {name: run.model_dump(mode="json") for name, run in runs.items() if isinstance(run, Run)}
    write_record(partial, {"elapsed_s": elapsed_s, "runs": content})


def _restore(taken: Mapping[str, _Taken], partial: Path | None) -> float:
    """Takes over the rounds of an interrupted run; returns how long they took."""
    kept = read_record(partial, _Kept) if partial is not None else None
    if kept is None or set(kept.runs) != set(taken):
        return 0.0
    for name, run in kept.runs.items():
        one = taken[name]
        one.rounds = run.rounds.rounds()
        one.processes, one.windows_s, one.loads = list(run.rounds.processes), list(run.windows_s), list(run.loads)
        one.warmup_runs, one.facts = run.warmup_runs, run.facts
    return kept.elapsed_s
