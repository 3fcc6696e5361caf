"""Measures the finished files of a search, and chooses by what they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.errors import ConversionError
from tflitekit.core.process.workers import wait_for
from tflitekit.search.bounds import Bounds
from tflitekit.search.candidates import Judged
from tflitekit.search.clock import Clock
from tflitekit.search.plan import Plan
from tflitekit.search.setting import Setting
from tflitekit.search.workshop import Workshop
from tflitekit.targets import Shapes
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.search_record import SearchTiming

__all__ = ["Timing"]

_ALIKE = 1.02
"""Times that differ by less are the same: the smaller file is taken."""


@dataclass(frozen=True)
class Timing:
    """The clock of a search, for its plans."""

    setting: Setting
    workshop: Workshop
    clock: Clock

    def profile(self, plan: Plan) -> dict[str, float] | None:
        """Returns the microseconds of each operator of a file, by its first output; None where the file cannot be made."""
        try:
            path = self._file(plan)
        except ConversionError:
            return None
        return self.clock.profile(path, self._shapes(path))

    def chosen(
        self, named: Sequence[tuple[str, Judged]], bounds: Bounds, *, fastest: bool
    ) -> tuple[Judged, tuple[SearchTiming, ...]]:
        """Measures files side by side and chooses one.

        Args:
            named: With a name each, the best first.
            fastest: Take the fastest of those within all limits, else the first of these. Where none is, the fastest of those that lose no more
                than they may, else the first.
        """
        files = {name: self._file(judged.plan) for name, judged in named}
        times = self.clock.measure(files, self._shapes(next(iter(files.values()))))
        kept = [(name, judged) for name, judged in named if bounds.keeps(judged.loss, judged.size_bytes)]
        limit = self.clock.limit_ms
        within = [pair for pair in kept if limit is None or times[pair[0]] <= limit]
        name, best = (within or kept or named)[0]
        if (within and not fastest) or not kept:
            return best, tuple(self._timings(named, times, bounds, name))
        least = min(times[name] for name, _ in within or kept)
        alike = [pair for pair in within or kept if times[pair[0]] <= _ALIKE * least]
        name, best = min(alike, key=lambda pair: pair[1].size_bytes)
        return best, tuple(self._timings(named, times, bounds, name))

    def _timings(
        self, named: Sequence[tuple[str, Judged]], times: dict[str, float], bounds: Bounds, chosen: str
    ) -> list[SearchTiming]:
        return [
            SearchTiming(
                name=name,
                latency_ms=times[name],
                size_bytes=judged.size_bytes,
                loss=judged.loss.loss,
                high=judged.loss.high,
                within=bounds.keeps(judged.loss, judged.size_bytes),
                chosen=name == chosen,
            )
            for name, judged in named
            if judged.loss is not None
        ]

    def _file(self, plan: Plan) -> Path:
        """Returns the file of a plan, which is made again where only what it loses was kept."""
        path = self.setting.folder / f"{plan.key}.tflite"
        if not path.exists():
            wait_for(self.workshop.make(plan))
        return path

    def _shapes(self, path: Path) -> Shapes:
        """Returns the shapes that samples give to inputs of open size."""
        specs = read_graph(path).open_inputs
        sample = next(self.setting.calibration.batches(self.setting.source.batch))
        return {spec.name: sample[spec.name].shape for spec in specs}
