"""What a target is: a place where a variant can run, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tflitekit.core.progress import Progress
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import (
    Accelerator,
    Conditions,
    Examination,
    Figure,
    Finding,
    OnTarget,
    Profile,
    Report,
    Samples,
    TargetKind,
)
from tflitekit.tflite.graph import Graph

__all__ = [
    "BenchmarkingTarget",
    "EnergyReading",
    "ExaminingTarget",
    "Loaded",
    "MeteredSession",
    "OwnBenchmark",
    "Run",
    "RunningModel",
    "RunningTarget",
    "Session",
    "SessionFacts",
    "Shapes",
    "Target",
    "TimingTarget",
]

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
    conditions: Conditions | None = None


class EnergyReading(BaseModel):
    """What the energy meters of a target say at one moment.

    Attributes:
        time_s: On any clock that does not jump.
        joules: By meter, since an arbitrary moment.
        locked: Meters that only others may read.
    """

    model_config = ConfigDict(frozen=True)

    time_s: float
    joules: dict[str, float]
    locked: tuple[str, ...] = ()


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
class MeteredSession(Session, Protocol):
    """A session on a target that looks for energy meters."""

    def energy(self) -> EnergyReading:
        """Reads them."""


@runtime_checkable
class RunningModel(Protocol):
    """One file, ready to compute on the target."""

    def run(self, columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Computes samples that do not depend on each other.

        Args:
            columns: By input, in the file's order and in the type of its tensor, the values of samples that fill whole batches,
                shape ``(n * batch, ...)``.

        Returns:
            By output, in the file's order, the values as they are stored, shape ``(n * batch, ...)``.

        Raises:
            ModelError: The target cannot compute them.
        """

    def close(self) -> None:
        """Ends what runs there."""


@runtime_checkable
class Target(Protocol):
    """A place where a variant can run. What it can do is one or several of the four below.

    Attributes:
        name: As users name it.
        kind: What it is; by it figures are called measured, emulated or estimated.
        good_for: Which figures from here say something about the hardware of users: latency does not on a host.
    """

    name: str
    kind: TargetKind
    good_for: tuple[Figure, ...]

    def identity(self) -> dict[str, Any]:
        """Returns what must agree for two results to be comparable; 'runtime' names what runs the files, with its version."""

    def close(self) -> None:
        """Ends what the target holds open."""


@runtime_checkable
class TimingTarget(Target, Protocol):
    """A target on which latency can be measured."""

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


@runtime_checkable
class RunningTarget(Target, Protocol):
    """A target that computes samples, so that accuracy can be measured there.

    Attributes:
        parallel: Whether several processes may each have a model open at once.
    """

    parallel: bool

    def model(self, path: Path, *, graph: Graph) -> RunningModel:
        """Loads one file.

        Args:
            graph: What is in it.

        Raises:
            ModelError: The runtime there refuses it; the reason is in its own words.
        """


@runtime_checkable
class ExaminingTarget(Target, Protocol):
    """A target whose tools say what the hardware would do with a file."""

    def examine(self, path: Path, *, graph: Graph) -> Examination:
        """Asks them.

        Raises:
            ModelError: They refuse the file; the reason is in their own words.
        """


class OwnBenchmark(BaseModel):
    """What a target found that measures by itself.

    Attributes:
        reports: What it wrote: one for each device and number of threads, with raw samples, the same names and hashes of files.
        checks: By the name of a variant, how its golden samples came out on each device.
        doubts: What went wrong where something else did not.
    """

    model_config = ConfigDict(frozen=True)

    reports: tuple[Report, ...]
    checks: dict[str, tuple[OnTarget, ...]] = {}
    doubts: tuple[Finding, ...] = ()


@runtime_checkable
class BenchmarkingTarget(Target, Protocol):
    """A target that measures several files by itself, with the kit's protocols, and returns reports: an app on a phone."""

    def check(self, how: BenchmarkOptions) -> None:
        """Raises `UsageError` where it cannot measure as asked; before anything else is done."""

    def benchmark(self, bundle: Path, how: BenchmarkOptions, *, progress: Progress, keep: Path | None) -> OwnBenchmark:
        """Measures the variants of a bundle.

        Args:
            bundle: Its folder.
            keep: Folder for finished results, which a later call with the same bundle and options takes; None measures anew.

        Raises:
            TflitekitError: There is no result at all.
        """
