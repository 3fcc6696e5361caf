"""A target whose clock is a script: the real command line and the real driver see exact numbers."""

from __future__ import annotations

import numpy as np

from tflitekit.core.errors import ModelError
from tflitekit.results import Accelerator, OpTime, Profile
from tflitekit.targets import Loaded, SessionFacts, register_target

BASE_US = {"float32": 100.0, "int8": 40.0, "twin": 100.3}
DRIFT = 1.5
"""By how much everything slows down from the first round to the last: it must cancel in ratios."""


class ScriptedSession:
    """Times that depend on the file and on how many rounds all files had before."""

    loaded = Loaded(init_us=900, first_us=500, harness_us=0.1, timer_us=0.05)

    def __init__(self, target: ScriptedTarget, name: str) -> None:
        self._target, self._name = target, name

    def warm_up(self, runs: int, seconds: float) -> int:
        del seconds
        return runs

    def run(self, runs: int, seconds: float) -> tuple[np.ndarray, float]:
        del seconds
        self._target.calls.append(self._name)
        if self._name in self._target.crash_after and self._target.calls.count(self._name) > 4:
            raise ModelError(f"{self._name} crashes the runtime.")
        drift = 1 + (DRIFT - 1) * min(1.0, len(self._target.calls) / 60)
        samples = BASE_US[self._name] * drift * (1 + 0.001 * np.arange(runs))
        return samples, float(samples.sum()) / 1e6

    def facts(self) -> SessionFacts:
        return SessionFacts(
            input_us=3,
            output_us=2,
            peak_memory_bytes=1_000_000,
            arena_bytes=12_345,
            accelerator=Accelerator(requested="cpu", actual="cpu", nodes=10, delegated_nodes=4, partitions=3),
        )

    def close(self) -> None:
        self._target.closed += 1


@register_target("scripted")
class ScriptedTarget:
    name = "scripted"
    kind = "simulator"
    good_for = ()
    crash_after: tuple[str, ...] = ()
    last: ScriptedTarget

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.opened = self.closed = 0
        type(self).last = self

    def identity(self):
        return {"runtime": "script 1", "cpu": "paper"}

    def open(self, path, *, threads, shapes=None):
        del threads, shapes
        self.opened += 1
        return ScriptedSession(self, path.stem)

    def profile(self, path, *, threads, shapes=None):
        del path, threads, shapes
        ops = (OpTime(index=0, op="CONV_2D", layer="first", time_us=75, share=0.75),)
        return Profile(method="written by hand", runs=1, rounding_us=0, whole_us=100, sum_us=75, ops=ops)

    def close(self):
        assert self.opened == self.closed
