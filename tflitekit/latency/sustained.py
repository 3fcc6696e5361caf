"""Load over minutes: how latency changes, and what an inference takes where the target has an energy meter."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from tflitekit.core.errors import TflitekitError
from tflitekit.core.progress import Advance, Progress
from tflitekit.latency.energy import energy_above_idle
from tflitekit.results import Energy, Finding, Sustained
from tflitekit.targets import EnergyReading, MeteredSession, Session, Shapes, TimingTarget
from tflitekit.targets.protocols import BenchmarkProtocol

__all__ = ["metered", "sustain"]

_WINDOWS = 120
_FEWEST_WINDOWS = 2
"""Without two there is no change and no power; a target that stalls takes fewer in the time that it was given."""
_LONGEST_WINDOW_S = 1.0
_IDLE_S, _IDLE_READINGS = 10.0, 20


def sustain(
    jobs: Mapping[str, tuple[Path, Shapes]],
    target: TimingTarget,
    minutes: float,
    threads: int,
    rules: BenchmarkProtocol,
    progress: Progress,
) -> tuple[dict[str, Sustained], list[Finding]]:
    """Runs each file without a break; before it the target idles with the file loaded, where it has a meter.

    Returns:
        The curves by name, and why there is none of a file, or no energy.
    """
    curves: dict[str, Sustained] = {}
    doubts: dict[Finding, None] = {}
    with progress.task("Sustained load", len(jobs) * _WINDOWS) as advance:
        for name, (path, shapes) in jobs.items():
            try:
                with closing(target.open(path, threads=threads, shapes=shapes)) as session:
                    curve, energy = _loaded(session, minutes, rules, advance)
            except TflitekitError as error:
                text = f"{name} failed under load on {target.name}: {error.what}"
                doubts[Finding(kind="sustained-failed", message=text, advice=error.fix)] = None
                continue
            if isinstance(energy, str):
                text = f"{target.name}: energy was not measured, since {energy}"
                doubts[Finding(kind="energy-not-measured", message=text)] = None
            curves[name] = curve.model_copy(update={"energy": energy if isinstance(energy, Energy) else None})
    return curves, list(doubts)


def _loaded(
    session: Session, minutes: float, rules: BenchmarkProtocol, advance: Advance
) -> tuple[Sustained, Energy | str | None]:
    """Returns the curve of one file, and its energy or why there is none; None where the target does not look for meters."""
    idle = _idle(session, min(_IDLE_S, minutes * 60))
    session.warm_up(rules.warmup_runs, rules.warmup_s)
    begin = time.monotonic()
    times: list[float] = []
    medians: list[float] = []
    readings, runs = _readings(session), 0
    while (now := time.monotonic() - begin) < minutes * 60 or len(times) < _FEWEST_WINDOWS:
        samples, window_s = session.run(1, min(_LONGEST_WINDOW_S, minutes * 60 / _WINDOWS))
        readings += _readings(session)
        runs += len(samples)
        times.append(round(now + window_s / 2, 3))
        medians.append(round(float(np.median(samples)) / 1e3, 6))
        advance(1)
    energy = metered(idle, readings, runs) if isinstance(session, MeteredSession) else None
    return _curve(minutes, times, medians), energy


def _readings(session: Session) -> list[EnergyReading]:
    return [session.energy()] if isinstance(session, MeteredSession) else []


def _idle(session: Session, seconds: float) -> list[EnergyReading]:
    """Reads the meters while nothing runs; at once where there are none."""
    found = _readings(session)
    if not found or not (found[0].joules or not found[0].locked):
        return found
    for _ in range(_IDLE_READINGS):
        time.sleep(seconds / _IDLE_READINGS)
        found += _readings(session)
        if not found[-1].joules:
            break
    return found


def metered(idle: Sequence[EnergyReading], load: Sequence[EnergyReading], runs: int) -> Energy | str:
    """Returns the energy of one inference by the meter that shows most, or why there is none.

    Of the meters of a board one is often that of its input, and the others those of parts of it: the largest is the whole.
    """
    meters = set.intersection(*({*reading.joules} for reading in (*idle, *load)))
    if not meters:
        if locked := next((reading.locked for reading in idle if reading.locked), ()):
            return f"its meters may be read by root only. Allow it there for this session: sudo chmod a+r {' '.join(locked)}"
        return "there is no meter (neither RAPL in /sys/class/powercap nor a power sensor in /sys/class/hwmon)."
    watts = {meter: _watts(load, meter) for meter in meters}
    meter = max(meters, key=lambda name: (sum(watts[name]), name))
    seconds = load[-1].time_s - load[0].time_s
    found = energy_above_idle(
        _watts(idle, meter), watts[meter], runs / seconds if seconds > 0 else 0.0, inferences=runs, meter=meter
    )
    return found or "the load was too short."


def _watts(readings: Sequence[EnergyReading], meter: str) -> list[float]:
    return [
        (two.joules[meter] - one.joules[meter]) / (two.time_s - one.time_s)
        for one, two in itertools.pairwise(readings)
        if two.time_s > one.time_s
    ]


def _curve(minutes: float, times: Sequence[float], medians: Sequence[float]) -> Sustained:
    tenth = max(1, len(medians) // 10)
    start, end = float(np.median(medians[:tenth])), float(np.median(medians[-tenth:]))
    return Sustained(
        minutes=minutes,
        times_s=tuple(times),
        median_ms=tuple(medians),
        start_ms=start,
        end_ms=end,
        change=end / start,
    )
