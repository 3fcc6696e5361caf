"""What was found out about a variant's speed. Units stand in the names."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tflitekit.core.parts import Part
from tflitekit.hardware.profile import Kind
from tflitekit.results.energy import Energy

__all__ = [
    "Accelerator",
    "BatteryState",
    "Conditions",
    "DeviceState",
    "Figure",
    "Latency",
    "LatencyRatio",
    "LoadState",
    "OpTime",
    "Profile",
    "Samples",
    "Sustained",
    "TargetKind",
]

MOST_KEPT = 20_000

TargetKind = Kind
Figure = Literal["latency", "memory", "accuracy"]

_EARLIER: dict[str, tuple[TargetKind, tuple[Figure, ...]]] = {
    "host": ("host", ("accuracy",)),
    "android": ("phone", ("latency", "memory", "accuracy")),
}
"""Kinds of targets, and what their figures are good for, by the first word of the names that there were before these were stored."""


class Samples(Part):
    """Raw samples of one benchmark, in the order in which they were taken.

    Attributes:
        data: Base64 of little-endian float32 microseconds.
        round_sizes: How many of them belong to each round.
        processes: For each round, the number of the process that measured it; empty where that is not known.
        kept_every: 1 where all are kept; k where a long benchmark kept each k-th.
    """

    data: str
    round_sizes: tuple[int, ...]
    processes: tuple[int, ...] = ()
    kept_every: int = 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        content = base64.b64decode(self.data, validate=True)
        size = len(content)
        if min(self.round_sizes, default=0) < 0 or size != 4 * sum(self.round_sizes):
            raise ValueError(f"{size} bytes are not the {sum(self.round_sizes)} samples that round_sizes promises")
        if not np.isfinite(np.frombuffer(content, "<f4")).all():
            raise ValueError("a sample is not finite")
        if self.processes and len(self.processes) != len(self.round_sizes):
            raise ValueError("processes and round_sizes are of different lengths")
        return self

    @classmethod
    def of(
        cls,
        rounds: Sequence[Sequence[float] | NDArray[np.float64]],
        processes: Sequence[int] = (),
        *,
        most: int | None = MOST_KEPT,
    ) -> Samples:
        """Packs microseconds by round; keeps about 20,000 of more, evenly."""
        stride = max(1, -(-sum(map(len, rounds)) // most)) if most else 1
        kept = [np.asarray(part, "<f4")[::stride] for part in rounds]
        data = np.concatenate(kept) if kept else np.zeros(0, "<f4")
        return cls(
            data=base64.b64encode(data.tobytes()).decode(),
            round_sizes=tuple(len(part) for part in kept),
            processes=tuple(processes),
            kept_every=stride,
        )

    def rounds(self) -> list[NDArray[np.float64]]:
        """Returns the microseconds of each round."""
        flat = np.frombuffer(base64.b64decode(self.data), "<f4").astype(np.float64)
        return np.split(flat, np.cumsum(self.round_sizes)[:-1]) if self.round_sizes else []


class Accelerator(Part):
    """What was asked to run the model, and what did.

    Attributes:
        delegate: What took the operators, where the runtime tells.
        delegated_nodes: Operators that the delegate took, of ``nodes``, in ``partitions`` pieces; null where the
            runtime does not tell.
    """

    requested: str
    actual: str
    delegate: str | None = None
    nodes: int | None = None
    delegated_nodes: int | None = None
    partitions: int | None = None


ThermalStatus = Literal["none", "light", "moderate", "severe", "critical", "emergency", "shutdown"]
"""Android's words for how much a device slows down because it is hot."""


class DeviceState(Part):
    """What a device says of its heat, its clock and its battery at one moment; null where it does not tell.

    Attributes:
        cpu_celsius: The hottest of its sensors.
        cpu_mhz: The clock of its fastest core; ``cpu_max_mhz`` the highest that it has.
        governors: What sets the clock of its cores, in Linux's words.
        load: Processes that wanted to compute, on average over the minute before.
        throttled: What the firmware of a Raspberry Pi holds back, and why; ``throttled_since_start`` what it held back at any time.
    """

    thermal_status: ThermalStatus | None = None
    battery_percent: int | None = None
    battery_celsius: float | None = None
    charging: bool | None = None
    power_save: bool | None = None
    cpu_celsius: float | None = None
    cpu_mhz: float | None = None
    cpu_max_mhz: float | None = None
    governors: tuple[str, ...] = ()
    load: float | None = None
    throttled: tuple[str, ...] | None = None
    throttled_since_start: tuple[str, ...] | None = None


class Conditions(Part):
    """A device before and after a benchmark, and the highest thermal status that was seen in between."""

    before: DeviceState
    after: DeviceState
    worst_thermal_status: ThermalStatus | None = None


class LatencyRatio(Part):
    """Time relative to the baseline's, paired by round: below 1 is faster.

    ``low`` and ``high`` are the 95 % bootstrap interval over rounds.
    """

    baseline: str
    value: float
    low: float
    high: float
    verdict: Literal["faster", "slower", "tie"]


class Latency(Part):
    """One benchmark on one target. All figures but ``init_ms`` and ``first_ms`` are of the steady state.

    Attributes:
        target_kind: What the target is.
        good_for: Which figures of the target say something about the hardware of users; none where it is empty.
        statistic: The figure that decides under this protocol: 'median', 'p90' or 'throughput'.
        value_ms: The figure that decides; for a throughput, the time that one inference takes of the window.
        low_ms: Its 95 % bootstrap interval over rounds; ``high_ms`` likewise.
        median_low_ms: 95 % bootstrap interval of the median over rounds; null with fewer than two rounds.
        throughput_per_s: Inferences a second of each window, where the protocol counts windows.
        stopped_by: Why measuring ended: 'precision' (every interval narrow enough), 'budget' (time is up),
            'protocol' (what it prescribes was taken).
        first_ms: First `invoke()` after loading.
        input_us: Median time to store and quantize the inputs; null where not measured. Not part of the others.
        output_us: Median time to fetch and dequantize the outputs.
        harness_us: What the kit's own loop adds to each measured `invoke()`.
        conditions: Heat, clock and battery of a phone or a board; null on a host.
        input_shapes: The shapes that were measured, with the batch, of inputs whose size the file leaves open. Memory and
            profile were measured at the same ones.
        ratio: Of the deciding figure to the baseline's, in the same rounds.
    """

    target: str
    target_kind: TargetKind
    good_for: tuple[Figure, ...]
    threads: int
    protocol: str
    statistic: Literal["median", "p90", "throughput"] = "median"
    median_ms: float
    median_low_ms: float | None = None
    median_high_ms: float | None = None
    p90_ms: float
    p99_ms: float
    mean_ms: float
    min_ms: float
    throughput_per_s: tuple[float, ...] = ()
    value_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    init_ms: float
    first_ms: float
    input_us: float | None = None
    output_us: float | None = None
    harness_us: float | None = None
    runs: int
    rounds: int = 1
    warmup_runs: int
    stopped_by: Literal["precision", "budget", "protocol"] = "protocol"
    input_shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    runtime: str
    machine: dict[str, Any] = Field(default_factory=dict)
    accelerator: Accelerator | None = None
    conditions: Conditions | None = None
    samples: Samples | None = None
    ratio: LatencyRatio | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_reports(cls, given: Any) -> Any:
        """Tells from its name what a target of an earlier report was."""
        if not isinstance(given, dict) or "target_kind" in given or not isinstance(given.get("target"), str):
            return given
        word = re.match("[a-z]*", given["target"])
        kind, good_for = _EARLIER.get(word[0] if word else "", ("board", _EARLIER["android"][1]))
        return given | {"target_kind": kind, "good_for": good_for}

    @property
    def counts(self) -> bool:
        """Whether it says something about the hardware of users."""
        return "latency" in self.good_for

    @property
    def deciding_ms(self) -> float:
        """The figure that decides under the protocol, as the time of one inference."""
        if self.value_ms is not None:
            return self.value_ms
        if self.statistic == "throughput" and self.throughput_per_s:
            return 1000 / float(np.median(self.throughput_per_s))
        return self.p90_ms if self.statistic == "p90" else self.median_ms


class OpTime(Part):
    """Time of one operator in one inference.

    Attributes:
        index: Position in the file's graph.
        layer: The user's layer, as far as the converter kept its name.
        share: Of the sum over all operators.
    """

    index: int
    op: str
    layer: str
    time_us: float
    share: float


class Profile(Part):
    """Where the time goes.

    Attributes:
        method: How the times were taken, in a sentence.
        whole_us: Median of a whole inference in the same session, without profiling.
        sum_us: Sum of ``ops``.
        rounding_us: How much of it was shared out because the runtime rounds down.
    """

    method: str
    runs: int
    rounding_us: float
    whole_us: float
    sum_us: float
    ops: tuple[OpTime, ...]


class BatteryState(Part):
    """What the meters of a phone's battery say at one moment, in Android's units and the maker's signs; null where there is none."""

    plugged: bool | None = None
    voltage_mv: int | None = None
    current_ua: int | None = None
    charge_uah: int | None = None
    energy_nwh: int | None = None


class LoadState(Part):
    """A phone at one moment of a sustained load, or before it.

    Attributes:
        time_s: Since the start of the load, or of the pause before it.
        runs: Inferences up to here.
    """

    time_s: float
    runs: int
    device: DeviceState
    battery: BatteryState | None = None


class Sustained(Part):
    """Latency over minutes of uninterrupted load.

    Attributes:
        target: Where; null in reports of one target.
        times_s: Middle of each window since the start.
        median_ms: Median of each window.
        start_ms: Median of the first tenth; ``end_ms`` of the last.
        change: ``end_ms / start_ms``; above 1 the target slowed down.
        idle: A phone before the load, when it did nothing.
        states: The phone meanwhile, about 120 times.
        energy: Null where nothing measured it.
    """

    target: str | None = None

    minutes: float
    times_s: tuple[float, ...]
    median_ms: tuple[float, ...]
    start_ms: float
    end_ms: float
    change: float
    idle: tuple[LoadState, ...] = ()
    states: tuple[LoadState, ...] = ()
    energy: Energy | None = None
