"""What a target is: a place where a variant can run, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tflitekit.results import Accelerator, Figure, Profile, Samples, TargetKind

__all__ = ["Loaded", "Run", "Session", "SessionFacts", "Shapes", "Target"]

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of inputs by name."""


class Loaded(BaseModel):
    """What loading a file took.

    Attributes:
        init_us: Reading the file, building the interpreter, allocating tensors.
        first_us: The first `invoke()`.
        harness_us: What the loop that measures adds to each `invoke()`: its time around a call that does nothing.
        timer_us: The smallest step of the clock.
    """

    model_config = ConfigDict(frozen=True)

    init_us: float
    first_us: float
    harness_us: float
    timer_us: float


class SessionFacts(BaseModel):
    """What a session can tell of itself when its rounds are done.

    Attributes:
        input_us: Median time to store real values into the inputs, quantized where the tensors are.
        output_us: Median time to fetch all outputs as real values.
        peak_memory_bytes: Highest resident set above what stays resident when the model is released: arena, packed
            weights, workspaces, mapped pages of the file; not the runtime's own code. None where not measurable.
        arena_bytes: Bytes covered by the tensors that the interpreter itself plans; delegates allocate their own.
    """

    model_config = ConfigDict(frozen=True)

    input_us: float
    output_us: float
    peak_memory_bytes: int | None = None
    arena_bytes: int | None = None
    accelerator: Accelerator | None = None


class Run(BaseModel):
    """The raw result of one file in one benchmark; statistics are derived from the samples, never stored instead.

    Attributes:
        rounds: Samples by round: the time of each `invoke()`, without storing inputs and fetching outputs.
        windows_s: Time that each round took from its first to its last measured run, with everything in between.
        stopped_by: 'precision', 'budget' or 'protocol'.
        input_shapes: The shapes that were measured, of inputs whose size the file leaves open.
    """

    model_config = ConfigDict(frozen=True)

    loads: tuple[Loaded, ...]
    rounds: Samples
    windows_s: tuple[float, ...]
    warmup_runs: int
    facts: SessionFacts
    stopped_by: str = "protocol"
    input_shapes: Shapes = {}


@runtime_checkable
class Session(Protocol):
    """One file, loaded in a process of its own on the target."""

    loaded: Loaded

    def warm_up(self, runs: int, seconds: float) -> int:
        """Runs at least so often **and** so long without measuring; returns how often."""

    def run(self, runs: int, seconds: float) -> tuple[NDArray[np.float64], float]:
        """Measures at least so many runs **and** so long.

        Returns:
            The time of each `invoke()` in microseconds, and of all together in seconds.
        """

    def facts(self) -> SessionFacts:
        """Returns what is known of the model when its rounds are done."""

    def close(self) -> None:
        """Ends the process."""


@runtime_checkable
class Target(Protocol):
    """A place where a variant can run."""

    name: str
    kind: TargetKind
    good_for: tuple[Figure, ...]
    """Which figures that are measured here say something about the hardware of users: latency does not on a host."""

    def identity(self) -> dict[str, Any]:
        """Returns what must agree for two results to be comparable."""

    def open(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Session:
        """Loads one file in a fresh process on the target.

        Args:
            shapes: To measure at, with the batch dimension, by the name of each input whose size the file leaves open.

        Raises:
            ModelError: The runtime there refuses it.
        """

    def profile(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Profile:
        """Measures where the time goes, by operator, at the shapes as of `open`.

        Raises:
            ModelError: The runtime there has no profiler, or refuses the file.
        """

    def close(self) -> None:
        """Ends what the target holds open."""
