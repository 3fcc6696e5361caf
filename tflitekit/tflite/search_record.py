"""What the search for a variant tried and found; part of sidecars and reports."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["SearchChange", "SearchLayer", "SearchPoint", "SearchRecord", "SearchTiming"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class SearchPoint(_Record):
    """One file that was tried.

    Attributes:
        loss: Estimate of what it loses, as a fraction; see `SearchRecord.judged_by`.
        high: Upper end of its one-sided 95 % interval: what is compared with the limit.
        samples: On which it was judged; fewer than there are where these left no doubt.
        layers: Number of layers by type, such as 9 in int4 and 1 in int8.
        chosen: Whether it is the file that was kept.
    """

    size_bytes: int
    loss: float
    high: float
    samples: int
    layers: dict[str, int]
    chosen: bool = False


class SearchLayer(_Record):
    """What one layer of the file is stored and computed in.

    Attributes:
        name: The user's name of the layer, else that of the operator's output.
        type: 'int4' and 'int8' are the weights' where the scheme has one type of activations; 'int16' are the activations, with int8
            weights; 'float16' and 'float32' layers compute in float.
        rounding: How its weights were put on their grid.
    """

    name: str
    operator: str
    type: Literal["int4", "int8", "int16", "float16", "float32"]
    rounding: Literal["nearest", "gptq"] | None


class SearchChange(_Record):
    """One cure that was tried.

    Attributes:
        change: What was changed, in words.
        before, loss: Estimates of the loss without and with it.
        kept: Whether it was kept.
    """

    change: str
    size_bytes: int
    before: float
    loss: float
    kept: bool


class SearchTiming(_Record):
    """One of the files that were measured side by side at the end, where latency counts.

    Attributes:
        name: 'mixed' and others of what was searched, or the scheme of one that is all of one kind.
        latency_ms: Median of alternating rounds.
        within: Whether it keeps all limits but that of latency.
        chosen: Whether it is the file that was kept.
    """

    name: str
    latency_ms: float
    size_bytes: int
    loss: float
    high: float
    within: bool
    chosen: bool


class SearchRecord(_Record):
    """How a file was found.

    Attributes:
        judged_by: 'accuracy' is the accuracy that the float model's own probabilities expect to be lost, 'agreement' the share of samples
            with another class than the float model's (where the evaluation data have no labels), 'fidelity' the share of an output's variance that is not explained, of the worst column.
        labels: Whether labels were used: they tell how far the float model's probabilities can be trusted.
        data: Location of the data that candidates were judged on; on at most so many ``samples``.
        calibrated: Whether these are the samples that the activations and weights were calibrated on, too.
        limit: The largest loss allowed, as a fraction.
        loss, high: Of the file that was kept; see `SearchPoint`.
        class_limit: The same for the recall of each class, with ``class_loss`` and ``class_high`` of the class that loses most, the
            ``worst_class``; None without such a limit.
        size_limit, latency_limit_ms: The most bytes and milliseconds.
        missed: Limits that the file does not keep for certain: it is what comes nearest then.
        met: Whether there are none of these.
        activations: What all activations are instead of the scheme's type, because with that too much was lost.
        tried: Files that were made and judged; ``failed`` of them could not be.
        ended: 'finished', or why the search ended before: 'budget' or 'stopped'.
        path: The files that were tried: size against loss.
        changes: Cures of `repaired`, in the order in which they were tried.
        following: What would have been tried next, in words.
        timed_on: The target where files were measured at the end; None where no latency counts.
        timings: What these took.
    """

    judged_by: Literal["accuracy", "agreement", "fidelity"]
    labels: bool
    data: str
    samples: int
    calibrated: bool
    limit: float
    loss: float
    high: float
    class_limit: float | None = None
    class_loss: float | None = None
    class_high: float | None = None
    worst_class: str | None = None
    size_limit: int | None = None
    latency_limit_ms: float | None = None
    missed: tuple[Literal["loss", "class_loss", "size", "latency"], ...] = ()
    met: bool
    activations: Literal["int16", "float32"] | None = None
    tried: int
    failed: int = 0
    ended: Literal["finished", "budget", "stopped"]
    seconds: float
    seed: int
    layers: tuple[SearchLayer, ...] = ()
    path: tuple[SearchPoint, ...] = ()
    changes: tuple[SearchChange, ...] = ()
    following: str | None = None
    timed_on: str | None = None
    timings: tuple[SearchTiming, ...] = ()
