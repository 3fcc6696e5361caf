"""Judges each variant for the hardware that the model is meant for."""

from __future__ import annotations

from collections.abc import Sequence

from tflitekit.hardware import Profile, judge
from tflitekit.results import VariantReport
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.variant import Variant

__all__ = ["judged"]


def judged(rows: Sequence[VariantReport], variants: Sequence[Variant], profile: Profile) -> tuple[VariantReport, ...]:
    """Returns the rows with what the hardware would do with each file; those without a file as they are."""
    files = {variant.name: variant for variant in variants if variant.status == "ok"}
    return tuple(
        row.model_copy(update={"hardware": judge(read_graph(one.path), profile, layers=one.layers)})
        if row.status == "ok" and (one := files.get(row.name)) is not None
        else row
        for row in rows
    )
