"""Shows what a bundle holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tflitekit.cli import console
from tflitekit.render import text

if TYPE_CHECKING:
    from tflitekit.bundling import Bundle
    from tflitekit.bundling.contents import Tolerance


__all__ = ["show_bundle"]

_OF_CLASSES = ("classification", "binary", "detection", "segmentation")


def show_bundle(found: Bundle, folder: Path) -> None:
    """Shows what a bundle holds and how exactly a device has to agree."""
    figures = [text.metric_title(v.accuracy.metric, v.accuracy.output) for v in found.variants if v.accuracy]
    console.show_table(
        ("Variant", "Size", *figures[:1], "Runtime", "Tolerance"),
        [
            (
                f"{v.name} ★" if v.name == found.recommended else v.name,
                text.size(v.size_bytes),
                *([text.with_interval(v.accuracy)] if figures else []),
                f">= {v.min_runtime_version}" if v.min_runtime_version else "–",
                _tolerance(v.tolerances[v.primary_output].cpu),
            )
            for v in found.variants
        ],
    )
    count = len(found.golden.samples)
    console.print_dim(f"{text.counted(count, 'golden sample')} of {found.name}{_right(found)}{_taken(found)}.")
    if found.labels is None and found.task in _OF_CLASSES:
        outputs = found.variants[0].outputs
        of = f" of '{outputs[found.variants[0].primary_output].name}'" if len(outputs) > 1 else ""
        console.show_warnings(
            [f"The bundle has no labels: an app can only show class numbers{of}. Give them with --labels FILE."]
        )
    console.print_dim(f"Written: {folder}, {folder}.zip", whole=True)


def _taken(found: Bundle) -> str:
    """Returns what an app has to make of a picture or a recording."""
    if found.sound is not None:
        return f"; sounds of {found.sound.describe()}"
    return f"; {found.preprocessing.describe()}" if found.input_kind == "image" else ""


def _right(found: Bundle) -> str:
    """Returns how many golden samples the recommended variant answers as they are labelled."""
    results = [(s.label, r) for s in found.golden.samples for r in s.results if r.variant == found.recommended]
    known = [(label, r) for label, r in results if label is not None and r.top_k]
    right = sum(r.top_k[0].index == label for label, r in known)
    return f", {right} of {len(known)} answered as labelled" if known else ""


def _tolerance(found: Tolerance) -> str:
    """Returns 'exact', '2 steps' or '0.00012'."""
    if found.max_difference is None:
        return "no bound"
    if found.max_difference == 0:
        return "exact"
    return text.counted(int(found.max_difference), "step") if found.unit == "steps" else f"{found.max_difference:g}"
