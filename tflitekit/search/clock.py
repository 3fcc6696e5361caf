"""Measures files for a search where latency counts: on the machine or device that the model is meant for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflitekit.core.errors import ConversionError, ModelError
from tflitekit.targets import Shapes, TimingTarget
from tflitekit.tflite.graph import read_graph

__all__ = ["Clock"]

_ROUNDS = 9
_RUNS, _SECONDS = 10, 0.05  # at least so many and so long in each round


@dataclass(frozen=True)
class Clock:
    """A target whose latency counts.

    Attributes:
        limit_ms: The most that a file may take.
    """

    target: TimingTarget
    threads: int = 1
    limit_ms: float | None = None

    def profile(self, path: Path, shapes: Shapes) -> dict[str, float]:
        """Returns the microseconds of each operator, by its first output.

        Raises:
            ConversionError: The target cannot tell.
        """
        try:
            found = self.target.profile(path, threads=self.threads, shapes=shapes)
        except ModelError as error:
            raise ConversionError(
                f"The time of each layer cannot be measured on '{self.target.name}'.",
                why=f"{error.what} {error.why or ''}".strip(),
                fix="Give a --target with a profiler, or use mixed:minimize=size and compare the schemes there.",
            ) from error
        operators = read_graph(path).operators
        times: dict[str, float] = {}
        for each in found.ops:
            if operators[each.index].outputs:
                name = operators[each.index].outputs[0]
                times[name] = times.get(name, 0.0) + each.time_us
        return times

    def measure(self, paths: Mapping[str, Path], shapes: Shapes) -> dict[str, float]:
        """Returns the median latency of each file in milliseconds, measured in alternating rounds.

        Raises:
            ModelError: The target refuses a file.
        """
        with ExitStack() as stack:
            sessions = {
                name: stack.enter_context(closing(self.target.open(path, threads=self.threads, shapes=shapes)))
                for name, path in paths.items()
            }
            for session in sessions.values():
                session.warm_up(_RUNS, _SECONDS)
            rounds: dict[str, list[float]] = {name: [] for name in sessions}
            for number in range(_ROUNDS):
                for name in _turned(list(sessions), number):
                    rounds[name].append(float(np.median(sessions[name].run(_RUNS, _SECONDS)[0])))
        return {name: float(np.median(times)) / 1e3 for name, times in rounds.items()}


def _turned(names: Sequence[str], by: int) -> list[str]:
    """Returns the names in an order that begins elsewhere in each round."""
    start = by % len(names)
    return [*names[start:], *names[:start]]
