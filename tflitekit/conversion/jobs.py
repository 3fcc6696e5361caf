"""One variant to build, and the order in which several are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tflitekit.schemes import Request
from tflitekit.source.prepared import Form
from tflitekit.tflite.variant import Variant

__all__ = ["Job", "in_order", "without_file"]


@dataclass(frozen=True, eq=False)
class Job:
    """One variant to build.

    Attributes:
        samples: Of the calibration samples; None for all.
    """

    request: Request
    out: Path
    samples: int | None = None


def in_order(jobs: Sequence[Job], form: Form) -> list[Job]:
    """Returns jobs so that no core is left waiting: calibrating schemes take longest and go first, but from a float ``.tflite`` one measures
    for the others, which go last."""
    calibrated = sorted((job for job in jobs if job.request.calibrated), key=lambda job: -len(job.request.name))
    first = len(calibrated) if form == "saved_model" else 1
    return [*calibrated[:first], *(job for job in jobs if not job.request.calibrated), *calibrated[first:]]


def without_file(request: Request, status: Literal["failed", "skipped"], why: str) -> Variant:
    """Returns the record of why there is no variant."""
    return Variant(name=request.name, scheme=request.scheme.name, options=request.options, status=status, error=why)
